"""The table of data sets (catalog.toml, and the subsets of ImageNet) and what is here of it; needs no torch.

>>> find_row("imagenet_100").name
'imagenet-100'
>>> status(find_row("scenes"), places())
'ready'
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lgm_core.base.errors import ConfigError, result_or_why
from lgm_core.base.names import require_known
from lgm_core.base.places import Places
from lgm_core.datasets.dataset_row import DatasetRow, Source
from lgm_core.datasets.group_files import groups_row, read_collection
from lgm_core.datasets.groups import PREFIX

__all__ = ["CATALOG", "DatasetRow", "Source", "find_row", "status"]


TEST_SPLITS = ("val", "test", "valid", "validation")  # folders of test images; the first that exists is used
TEST_SHARDS = ("validation", "val", "test")  # the same, of Parquet shards
TEST_PERCENT, SPLIT_SEED = 20, 0  # of each class, where a folder has none of these
_HERE = Path(__file__).parent
_SUBSETS: dict[str, list[int]] = json.loads((_HERE / "imagenet_subsets.json").read_text())
_SUBSET_ORIGIN = {
    **dict.fromkeys(("birds", "fruits", "cats", "imagenette", "imagewoof"), "Cazenavette et al., MTT, CVPR 2022"),
    **dict.fromkeys("abcde", "Cazenavette et al., GLaD, CVPR 2023"),
    "100": "Tian et al., Contrastive multiview coding, ECCV 2020",
}
_IMAGENET_TERMS = "ImageNet terms of access: non-commercial research and education"
_DENG = "Deng et al., ImageNet: A large-scale hierarchical image database, CVPR 2009"
_IMAGENET_STEPS = (
    "ImageNet may not be redistributed. Register at https://image-net.org, download ILSVRC2012_img_train.tar (138 GB), "
    "ILSVRC2012_img_val.tar (6 GB) and ILSVRC2012_devkit_t12.tar.gz into a folder named `imagenet`, and let "
    "torchvision.datasets.ImageNet(that folder, split) unpack 'train' and 'val'. Wanted: imagenet/train/<wnid>/*.JPEG "
    "and imagenet/val/<wnid>/*.JPEG; a subset needs only its own classes. Or accept the terms on the model hub, "
    "https://huggingface.co/datasets/ILSVRC/imagenet-1k, and download its data/*.parquet into imagenet/data"
)


def _imagenet(name: str, indices: Iterable[int]) -> DatasetRow:
    chosen = tuple(indices)
    origin = _SUBSET_ORIGIN.get(name.removeprefix("imagenet-"))
    return DatasetRow(
        name=name,
        title=f"ImageNet subset {name.removeprefix('imagenet-')}" if origin else "ImageNet (ILSVRC 2012)",
        reader="folders:read_imagenet",
        classes=len(chosen),
        train=None if origin else 1_281_167,
        test=50 * len(chosen),
        licence=_IMAGENET_TERMS,
        citation=f"{_DENG}; classes chosen by {origin}" if origin else _DENG,
        stores=("imagenet", "imagenet-1k", "ILSVRC2012"),
        options={"indices": chosen},
        sharded=True,
        manual=_IMAGENET_STEPS,
    )


def _listed(name: str, facts: dict[str, Any]) -> DatasetRow:
    facts["sources"] = tuple(Source(**source) for source in facts.get("sources", ()))
    if "markers" in facts:
        facts["markers"] = tuple(facts["markers"])
    return DatasetRow(name=name, **facts)


_ROWS = [
    *(_imagenet(name, indices) for name, indices in _SUBSETS.items()),
    _imagenet("imagenet-1k", range(1000)),
    *(_listed(name, facts) for name, facts in tomllib.loads((_HERE / "catalog.toml").read_text("utf-8")).items()),
]
CATALOG: dict[str, DatasetRow] = {row.name: row for row in _ROWS}


def _bare(name: str) -> str:
    """A name without case and separators, but for one before a last single letter: "imagenete" is not "imagenet-e"."""
    plain = name.lower().replace("_", "-")
    return plain if plain[-2:-1] == "-" else "".join(letter for letter in plain if letter.isalnum())


_ALIASES = {
    **{_bare(name): name for name in CATALOG},
    "cub": "cub2011", "cub200": "cub2011", "cub2002011": "cub2011", "fgvcaircraft": "aircraft",
    "imagenet": "imagenet-1k", "imagenetnette": "imagenet-imagenette", "imagenetwoof": "imagenet-imagewoof",
}  # fmt: skip

FRAMED = "framed:"


def find_row(name: str) -> DatasetRow:
    """The row of a name, an alias (case, `-` and `_` do not matter), `folder:PATH`, `groups:NAME` or `framed:NAME`.

    `UnknownName` otherwise. "imagenette" is fast.ai's download; "imagenet-imagenette" is the same ten classes of the
    full ImageNet.
    """
    if name.startswith(PREFIX):
        return groups_row(name)
    if name.startswith(FRAMED):
        return _framed_row(find_row(name.removeprefix(FRAMED)))
    if name.startswith("folder:"):
        path = Path(name.removeprefix("folder:")).expanduser()
        return DatasetRow(
            name=f"folder:{path.name}",
            title=f"Folder {path}",
            reader="folders:read_folder",
            licence="your own",
            citation="your own",
            options={"path": str(path)},
            sharded=True,
            manual=f"create {path}/train/<class>/*.jpg and {path}/val/<class>/*.jpg; or {path}/<class>/*.jpg alone, "
            "which is split for you",
        )
    known = _ALIASES.get(_bare(name), name)
    require_known(known, CATALOG, "data set")
    return CATALOG[known]


def _framed_row(row: DatasetRow) -> DatasetRow:
    """The same images in coloured frames (framed.py): it lies, and is fetched, where those do."""
    if row.collection or row.framed:
        raise ConfigError(f"{FRAMED}{row.name}: frames are drawn around images of the catalogue, or of folder:PATH")
    name, title = f"{FRAMED}{row.name}", f"{row.title}, with coloured frames"
    return replace(row, name=name, title=title, grouped=True, framed=True, stores=row.stores or (row.name,))


def has_splits(folder: Path) -> bool:
    """Has a folder of the user's own a split into training and test images?"""
    return has_shards(folder) or any((folder / name).is_dir() for name in ("train", *TEST_SPLITS))


def has_shards(folder: Path) -> bool:
    """Does a folder hold Parquet shards as the model hub serves them?"""
    return any((folder / "data").glob("train-*.parquet"))


def split_words(row: DatasetRow) -> str:
    """How a folder without a split of its own is split, in words; "" for all other data. Looks, reads nothing."""
    path = Path(str(row.options.get("path", "")))
    if "path" not in row.options or not path.is_dir() or has_splits(path):
        return ""
    return (
        f"the folder has no train and test folders of its own, so {TEST_PERCENT} % of each class are kept for testing, "
        f"chosen by seed {SPLIT_SEED}"
    )


def data_words(dataset: str, counts: Mapping[str, Any]) -> str:
    """What a run's record says of its images: "folder:/data/pets: 80 training and 20 test images; ..."."""
    words = f"{dataset}: {counts.get('train_images')} training and {counts.get('test_images')} test images"
    return "; ".join(filter(None, (words, str(counts.get("split") or ""))))


def counted(dataset: str, images: int, split: str = "test") -> str:
    """How many images of a split were looked at: "1,200 of 3,925 test images", where the whole split has more."""
    name = _ALIASES.get(_bare(dataset), dataset)
    whole = getattr(CATALOG[name], split) if name in CATALOG else None
    return f"{images:,}{f' of {whole:,}' if whole and whole > images else ''} {split} images"


def find_folder(row: DatasetRow, roots: Iterable[Path]) -> Path | None:
    """The folder that holds the data of `row`, the first among `roots` in order, or None. Looks, reads nothing."""
    if "path" in row.options:
        path = Path(str(row.options["path"]))
        return path if path.is_dir() else None
    for folder in (folder for root in roots for folder in candidates(row, root)):
        if any((folder / marker).exists() for marker in row.markers) or (row.sharded and has_shards(folder)):
            return folder
    return None


def leftovers(row: DatasetRow, roots: Iterable[Path]) -> Path | None:
    """A non-empty folder where the data should be: it may hold an incomplete copy. None where there is none."""
    places = [place for root in roots for place in candidates(row, root)]
    return next((place for place in places if place.is_dir() and any(place.iterdir())), None)


def not_here(row: DatasetRow, roots: Sequence[Path]) -> str:
    """That the data are not here, in words: where they were looked for, and what to do."""
    if row.collection:
        return f"there is no collection {row.name!r} of groups here. Remedy: {row.manual}"
    if "path" in row.options:
        return f"the folder {row.options['path']} does not exist. Remedy: {row.manual}"
    looked = ", ".join(str(place) for root in roots for place in candidates(row, root))
    target = roots[-1] if roots else Path("cache/datasets")
    return (
        f"the data set {row.name!r} is not on this machine (looked in "
        f"{looked or 'nowhere: no folder for data sets is set'}). Remedy: {how_to_get(row, target)}"
    )


def candidates(row: DatasetRow, root: Path) -> list[Path]:
    """Where below `root` the data of `row` may lie, in the order in which it is searched."""
    stores = [root / store for store in row.stores or (row.name,)]
    if not row.folder:
        return stores
    return [store / row.folder for store in stores] + [root / row.folder] + stores


def status(row: DatasetRow, places: Places) -> str:
    """One of "ready", "can be fetched (342 MB)" or "manual"; a few existence checks, no reading."""
    if row.collection:
        return _status_of_groups(row.name, places)
    if row.embedded or find_folder(row, places.datasets):
        return "ready"
    if not row.can_be_fetched:
        return "manual"
    return "can be fetched" + (f" ({size(row)})" if row.megabytes else "")


def _status_of_groups(name: str, places: Places) -> str:
    def used() -> set[str]:
        return {status(find_row(one), places) for one in read_collection(places.groups, name).datasets}

    return "ready" if result_or_why(used)[0] == {"ready"} else "manual"


def size(row: DatasetRow) -> str:
    """How much there is to download, for people."""
    if row.megabytes is None:
        return "size unknown"
    return f"{row.megabytes} MB" if row.megabytes < 1000 else f"{row.megabytes / 1000:.1f} GB"


def how_to_get(row: DatasetRow, root: Path) -> str:
    """What to do to get the data into `root`: the command, or the steps where the licence forbids the command."""
    if row.can_be_fetched:
        return f"fetch it into {root / row.name} with `python -m lgm_core fetch {row.name}` ({size(row)})"
    if row.collection or "path" in row.options:
        return row.manual
    return f"{row.manual}. Put it into {root}, or add its folder to LGM_DATASETS"
