"""Text lists of official layouts, and the errors about a data set that is incomplete.

>>> [fields for fields in table(folder / "images.txt", columns=2, row=row)]
[['1', '001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg'], ...]
"""

from collections.abc import Sequence
from pathlib import Path

from lgm_core.base.errors import UserError
from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.catalog import DatasetRow, how_to_get
from lgm_core.datasets.image_set import FileImages


def remedy(row: DatasetRow, folder: Path) -> str:
    """What to do about a file of this data set that is corrupt or missing, as the end of a sentence."""
    if row.can_be_fetched:
        return f"delete {folder} and fetch the data set again with `python -m lgm_core fetch {row.name}`"
    if "path" in row.options:
        return "delete it, or put a good copy in its place"
    return f"put a good copy in its place ({row.manual})"


def incomplete(row: DatasetRow, folder: Path, lack: str) -> UserError:
    """The error that `lack` ("file X is missing") calls for: what is wrong, where, and the remedy."""
    todo = how_to_get(row, folder.parent) if "path" in row.options else remedy(row, folder)
    return UserError(f"the data set {row.name!r} in {folder} is incomplete: {lack}. Remedy: {todo}")


def require_files(row: DatasetRow, folder: Path, names: Sequence[str]) -> None:
    """Raise the teaching error unless every one of `names`, files and folders, is there."""
    for name in names:
        require_regular(folder / name, or_folder=True)
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise incomplete(row, folder, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def require_all_classes(
    row: DatasetRow, folder: Path, labels: Sequence[int], folders: Sequence[str], split: str
) -> None:
    """Raise the teaching error unless every class has an image in this split; `folders` names the classes on disk."""
    seen = set(labels)
    empty = [name for label, name in enumerate(folders) if label not in seen]
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        raise incomplete(row, folder, f"no {split} image for the class {', '.join(empty[:3])}{more}")


def listed_split(
    row: DatasetRow, folder: Path, split: str, files: Sequence[str], labels: Sequence[int], folders: Sequence[str],
    *, classes: Sequence[str], below: str = "", groups: Sequence[int] | None = None, group_names: Sequence[str] = (),
) -> FileImages:  # fmt: skip
    """One split of a data set, its files below `folder / below`. Raises the teaching error for a class without images,
    and for a file that a list names outside of the folder.

    `folders` names the classes on disk, `classes` for people.
    """
    require_all_classes(row, folder, labels, folders, split)
    outside = [
        name for name in files if "\0" in name or name.startswith("/") or ".." in name and ".." in Path(name).parts
    ]
    if outside:
        raise incomplete(row, folder, f"its list names {outside[0]!r}, which is not a file in it")
    return FileImages(
        name=f"{row.name}/{split}", folder=folder / below, files=files, labels=labels, classes=classes,
        groups=groups, group_names=group_names, remedy=remedy(row, folder),
    )  # fmt: skip


def table(path: Path, *, columns: int, row: DatasetRow) -> list[list[str]]:
    """The lines of a list, split at white space into `columns` fields (the last takes the rest), without blank ones."""
    require_regular(path)
    if not path.exists():
        raise incomplete(row, path.parent, f"{path.name} is missing")
    rows = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        fields = line.split(maxsplit=columns - 1)
        if fields and len(fields) != columns:
            raise incomplete(row, path.parent, f"line {number} of {path.name} is {line!r}, not {columns} fields")
        if fields:
            rows.append(fields)
    return rows
