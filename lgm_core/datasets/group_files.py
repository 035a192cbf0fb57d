"""Collections of groups on disk: a sealed JSON file each, beside the runs, checked when read. Needs no torch.

>>> add_group(places().groups, "mine", Group(name="towers", images=split, indices=(4, 17)), rest=True)
>>> read_collection(places().groups, "groups:mine").classes
('towers', 'rest')
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from lgm_core.base.errors import ConfigError, DamagedFile, Unavailable, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.names import unknown, why_no_name
from lgm_core.datasets.dataset_row import DatasetRow
from lgm_core.datasets.groups import PREFIX, REST, Collection, Group, Split

PAGES = ("", "embeddings", "neighbours", "disagreement", "backbones", "cross_model")  # where a group can be made
_MOST_IMAGES, _MOST_GROUPS, _LONGEST_QUERY, _SHORTEST = 10**8, 1000, 10_000, 12


def collection_of(values: Mapping[str, Any], name: str, where: str = "") -> Collection:
    """A collection as `values()` writes it. Raises `DamagedFile`, naming what is wrong, for anything else."""
    try:
        listed = values.get("groups")
        _require(isinstance(listed, list) and len(listed) <= _MOST_GROUPS, "no list of groups")
        _require(isinstance(values.get("rest", False), bool), "`rest` is neither true nor false")
        groups = tuple(_group(one) for one in listed or [])
        _require(len({group.name for group in groups}) == len(groups), "two groups have the same name")
        return Collection(name, groups, values.get("rest", False))
    except (ConfigError, TypeError) as error:
        raise DamagedFile(f"the collection of groups {where or repr(name)} cannot be used: {error}") from None


def checked(group: Group) -> Group:
    """The group, its indices sorted, each once. Raises `ConfigError` for what cannot be one."""
    return _group(json.loads(json.dumps(asdict(group) | {"images": group.images._asdict()})))


def bare_name(name: str) -> tuple[str, str]:
    """(name, digest or "") of a collection, from `groups:NAME`, `groups:NAME@DIGEST` or NAME."""
    bare, _, digest = name.removeprefix(PREFIX).partition("@")
    return bare, digest


def collection_names(folder: Path) -> list[str]:
    """The collections in a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.json") if not why_no_collection(path.stem))


def why_no_collection(name: str) -> str:
    """Why a text cannot be the name of a collection; "" where it can."""
    return 'contains "@"' if "@" in name else why_no_name(name)


def read_collection(folder: Path, name: str) -> Collection:
    """The collection of a name, perhaps in a certain state. Raises `Unavailable` where it is not there (any more),
    `DamagedFile` where it cannot be used.
    """
    bare, digest = bare_name(name)
    path = folder / f"{bare}.json"
    if why := why_no_collection(bare):
        raise ConfigError(f"{bare!r} cannot be the name of a collection of groups: it {why}")
    if not path.exists():
        known = collection_names(folder)
        words = unknown(bare, known, "collection of groups") if known else f"there is no collection {bare!r} of groups"
        raise Unavailable(f"{words}; `lgm groups add` makes one")
    found = collection_of(read_json(path), bare, str(path))
    if digest and found.digest != digest:
        raise Unavailable(
            f"the collection {bare!r} has changed: it is {found.dataset} now, and {PREFIX}{bare}@{digest} is kept by "
            "the runs that used it alone"
        )
    return found


def add_group(folder: Path, name: str, group: Group, *, rest: bool | None = None) -> Collection:
    """Add a group to a collection, which is made where there is none. `rest`: None leaves it as it is.

    Raises `ConfigError` for a wrong name, indices out of range, images of a collection, a name that is taken.
    """
    if why := why_no_collection(name):
        raise ConfigError(f"{name!r} cannot be the name of a collection of groups: it {why}; give another one")
    group = checked(group)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{name}.lock"):
        before = read_collection(folder, name) if (folder / f"{name}.json").exists() else Collection(name)
        if group.name in before.classes:
            raise ConfigError(f"the collection {name!r} has a group {group.name!r} already: give another name")
        after = replace(before, groups=(*before.groups, group), rest=before.rest if rest is None else rest)
        write_json(folder / f"{name}.json", after.values(), indent=None, sealed=True)
    return after


def drop_group(folder: Path, name: str, group: str = "") -> Collection:
    """Remove a group from a collection, or, without one, the whole collection; returns what it was before."""
    bare = read_collection(folder, name).name
    path = folder / f"{bare}.json"
    with FileLock(folder / f".{bare}.lock"):
        before = read_collection(folder, name)
        names = [one.name for one in before.groups]
        if group and group not in names:
            raise UserError(unknown(group, names, f"group of {name!r}"))
        left = tuple(one for one in before.groups if group and one.name != group)
        if left:
            write_json(path, replace(before, groups=left).values(), indent=None, sealed=True)
        else:
            path.unlink()
    return before


def groups_row(name: str) -> DatasetRow:
    """The row of `groups:NAME`."""
    bare, _ = bare_name(name)
    return DatasetRow(
        name=name,
        title=f"Groups {bare}",
        reader="grouped:open_groups",
        licence="that of the images",
        citation="that of the images",
        collection=True,
        manual=f"make it with `lgm groups add {bare} GROUP DATASET --indices N [N ...]`, or with Distil this "
        "below images on the pages of the dashboard",
    )


def _group(values: Any) -> Group:
    _require(
        isinstance(values, dict) and isinstance(values.get("images"), dict), "a group is not an object with images"
    )
    _require(isinstance(values.get("name"), str), "a group has no name")
    name: str = values["name"]
    why = "is kept for the others" if name == REST else why_no_name(name)
    _require(not why, f"{name!r} cannot be the name of a group: it {why}")
    said = f"group {name!r}: "
    split = _split(values["images"], said)
    indices: Any = values.get("indices")
    whole = isinstance(indices, list) and bool(indices) and all(map(_is_count, indices))
    _require(whole, f"{said}`indices` is not a list of image numbers, 0 or more")
    outside = [index for index in indices if index >= split.count]
    _require(not outside, f"{said}there is no image {outside[:1]} in a split of {split.count}, numbered from 0")
    page, query = values.get("page", ""), values.get("query", "")
    known = page in PAGES and isinstance(query, str) and len(query) <= _LONGEST_QUERY
    _require(known, f"{said}`page` and `query` do not name a view of the dashboard")
    return Group(name=name, images=split, indices=tuple(sorted(set(indices))), page=page, query=query)


def _split(values: Mapping[str, Any], said: str) -> Split:
    dataset, split, print_ = (values.get(name) for name in ("dataset", "split", "fingerprint"))
    _require(isinstance(dataset, str) and bool(dataset) and dataset.isprintable(), f"{said}it names no data set")
    _require(not str(dataset).startswith(PREFIX), f"{said}its images are those of a collection, not of a data set")
    _require(split in ("train", "test"), f"{said}its split is {split!r}; give train or test")
    hexadecimal = isinstance(print_, str) and not set(print_) - set("0123456789abcdef")
    _require(hexadecimal and len(print_ or "") >= _SHORTEST, f"{said}its fingerprint is not a digest of images")
    numbers = {name: values.get(name, 0) for name in ("count", "per_class", "seed")}
    for field, number in numbers.items():
        _require(_is_count(number), f"{said}`{field}` is not a whole number, 0 or more")
    _require(numbers["seed"] < 2**31 and numbers["per_class"] <= _MOST_IMAGES, f"{said}its seed is out of range")
    _require(0 < numbers["count"] <= _MOST_IMAGES, f"{said}a split cannot have {numbers['count']} images")
    return Split(str(dataset), str(split), str(print_), **numbers)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise ConfigError(otherwise)
