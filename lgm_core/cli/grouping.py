"""The verb for groups of images: a collection of them is a data set, `groups:NAME`.

>>> groups(["add", "mine", "towers", "imagenette", "--split", "test", "--indices", "4", "17", "--rest"])
mine: towers (2 test images of imagenette), rest
0
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.names import require_known
from lgm_core.base.places import places
from lgm_core.cli.console import print_rows
from lgm_core.datasets.group_files import add_group, bare_name, collection_names, drop_group, read_collection
from lgm_core.datasets.groups import PREFIX, Collection, Group, Split

Word = Annotated[str, tyro.conf.Positional]


def groups(arguments: Sequence[str]) -> int:
    """Keep groups of images as a data set groups:NAME: lgm groups list|show|add|drop [NAME GROUP DATASET ...]."""
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("list", [])
    if verb in ("-h", "--help"):
        print(f"{groups.__doc__}\nlgm groups add --help: its flags; lgm groups drop NAME [GROUP]")
        return 0
    require_known(verb, _VERBS, "verb of lgm groups")
    return _VERBS[verb](rest)


def _list(arguments: Sequence[str]) -> int:
    def read() -> None:
        return None

    tyro.cli(read, args=list(arguments), prog="lgm groups list")
    rows = []
    for name in collection_names(places().groups):
        found, why = result_or_why(lambda name=name: read_collection(places().groups, name))
        rows.append([f"{PREFIX}{name}", ", ".join(found.classes) if found else why])
    print_rows(["data set", "groups"], rows)
    return 0


def _show(arguments: Sequence[str]) -> int:
    def read(name: Word) -> str:
        return name

    found = read_collection(places().groups, tyro.cli(read, args=list(arguments), prog="lgm groups show"))
    rows = [[g.name, g.images.dataset, g.images.split, str(len(g.indices)), _numbers(g)] for g in found.groups]
    print_rows(["group", "data set", "split", "images", "numbers"], rows)
    words, why = result_or_why(found.words)
    print(f"{found.dataset}: {words or why}")
    return 0


def _add(arguments: Sequence[str]) -> int:
    def read(
        name: Word, group: Word, dataset: Word, split: Literal["train", "test"] = "test",
        indices: tuple[int, ...] = (), file: str = "",
        rest: Annotated[bool, tyro.conf.arg(help="images in no group as a further class")] = False,
    ) -> tuple[str, str, str, str, tuple[int, ...], str, bool]:  # fmt: skip
        return name, group, dataset, split, indices, file, rest

    name, group, dataset, split, indices, file, rest = tyro.cli(read, args=list(arguments), prog="lgm groups add")
    from lgm_core.datasets.open import open_dataset

    if bool(indices) == bool(file):
        raise UserError("give the numbers of the images: either --indices N [N ...] or --file, with a number a line")
    if dataset.startswith(PREFIX):
        raise UserError(f"{dataset} is a collection of groups; give the data set that the images are from")
    train, test = open_dataset(dataset, places().datasets)
    opened = train if split == "train" else test
    images = Split(dataset, split, opened.fingerprint, len(opened))
    chosen = Group(name=group, images=images, indices=indices or _numbers_in(Path(file)))
    _tell(add_group(places().groups, bare_name(name)[0], chosen, rest=True if rest else None))
    return 0


def _drop(arguments: Sequence[str]) -> int:
    def read(name: Word, group: Word = "") -> tuple[str, str]:
        return name, group

    name, group = tyro.cli(read, args=list(arguments), prog="lgm groups drop")
    before = drop_group(places().groups, name, group)
    gone = group or f"all {len(before.groups)} groups"
    print(f"{before.name}: dropped {gone}; runs that used it keep their own copy")
    return 0


def _tell(found: Collection) -> None:
    said = [f"{g.name} ({len(g.indices)} {g.images.split} images of {g.images.dataset})" for g in found.groups]
    print(f"{found.name}: {', '.join([*said, *(['rest'] if found.rest else [])])}")


def _numbers(group: Group) -> str:
    shown = ", ".join(map(str, group.indices[:12]))
    return shown + (", ..." if len(group.indices) > 12 else "")


def _numbers_in(file: Path) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in file.read_text("utf-8").split())
    except (OSError, ValueError) as error:
        raise UserError(f"{file} does not hold the numbers of images, such as one per line: {error}") from None


_VERBS: dict[str, Callable[[Sequence[str]], int]] = {"list": _list, "show": _show, "add": _add, "drop": _drop}
