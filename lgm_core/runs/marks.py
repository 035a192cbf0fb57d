"""What a person says of a run: a note, a star, tags. In a file of its own, never part of the config.

>>> mark(run.marks_file, note="green parachutes", starred=True, add=["figure 2"])
Marks(note='green parachutes', starred=True, tags=('figure 2',))
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.remembered import Remembered
from lgm_core.runs.damage import set_aside_unusable


@dataclass(frozen=True, kw_only=True)
class Marks:
    """`tags`: words without commas, each once, in the order in which they were given."""

    note: str = ""
    starred: bool = False
    tags: tuple[str, ...] = ()

    def words(self) -> str:
        """In one line, such as "★ green parachutes #figure 2"; "" where nothing was said."""
        return " ".join([*(["★"] if self.starred else []), *self.note.split(), *(f"#{tag}" for tag in self.tags)])


def read_marks(file: Path) -> Marks:
    """The marks in a file; none where it is not there, or damaged, which `RunFolder.problems` names."""
    return _READ.of(file)


def mark(
    file: Path, *, note: str | None = None, starred: bool | None = None, add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> Marks:  # fmt: skip
    """Change what is given, leave the rest, and write the file; its only writer. One at a time, whoever calls.

    Raises `UserError` for a tag that cannot be one, or that is to be removed and is not there.
    """
    wrong = [tag for tag in add if not tag.strip() or "," in tag]
    if wrong:
        raise UserError(f"a tag is one or a few words, without commas; {wrong[0]!r} was given")
    with FileLock(file.with_name(f".{file.name}.lock"), fallback_to_soft=False):
        before = _read(file)
        if gone := [tag for tag in remove if tag not in before.tags]:
            raise UserError(f"{file.parent.name} has no tag {gone[0]!r}; it has {', '.join(before.tags) or 'none'}")
        tags = dict.fromkeys([*before.tags, *(tag.strip() for tag in add)])
        after = Marks(
            note=before.note if note is None else note.strip(),
            starred=before.starred if starred is None else starred,
            tags=tuple(tag for tag in tags if tag not in set(remove)),
        )
        set_aside_unusable(file)
        write_json(file, asdict(after), durable=True)
    return after


def _read(file: Path) -> Marks:
    try:
        values = read_json(file)
    except DamagedFile:
        return Marks()
    note, tags = values.get("note", ""), values.get("tags", [])
    return Marks(
        note=note if isinstance(note, str) else "",
        starred=values.get("starred") is True,
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


_READ = Remembered(_read)
