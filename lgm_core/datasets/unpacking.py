"""Archives of anybody's are unpacked: inside their folder, files and folders alone, up to a size that is said.

>>> unpack(Path("imagenette2-320.tgz"), Path("datasets/imagenette"))
"""

import errno
import gzip
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile, ZipInfo

from lgm_core.base.errors import UserError
from lgm_core.base.regular_files import require_regular

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_TIMES, _FREE = 30, 2**30  # an archive may hold so many times its own size, and so many bytes besides
_LEAST = 512  # bytes that a member counts for, however small: a million empty ones are a bomb too
_FULL = (errno.ENOSPC, errno.EDQUOT)


def unpack(archive: Path, into: Path) -> None:
    """Unpack a tar, zip or gzip file, by its name; another file is copied.

    Raises `UserError` for one that is broken, that holds more than 30 times its own size and 1 GB, or a member that
    leads outside the folder, or is a device, a pipe, or a link that leads outside.
    """
    require_regular(archive)
    into.mkdir(parents=True, exist_ok=True)
    name = archive.name.lower()
    try:
        if name.endswith(_TAR):
            _unpack_tar(archive, into)
        elif name.endswith(".zip"):
            _unpack_zip(archive, into)
        elif name.endswith(".gz"):
            with gzip.open(archive) as packed, (into / archive.name[:-3]).open("wb") as target:
                _copy(packed, target, _bound(archive))
        else:
            shutil.copyfile(archive, into / archive.name)
    except UserError:
        raise
    except Exception as error:  # what the readers of broken archives raise has no common name
        if isinstance(error, OSError) and error.errno in _FULL:
            raise UserError(f"{archive} cannot be unpacked: {into} has no room; free some and fetch again") from error
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{archive} cannot be unpacked ({why}). Remedy: delete it and fetch again") from error


def _unpack_tar(archive: Path, into: Path) -> None:
    bound = _bound(archive)

    def counted(member: tarfile.TarInfo, path: Any) -> tarfile.TarInfo | None:
        found = tarfile.data_filter(member, path)
        bound(max(member.size, _LEAST))
        return found

    with tarfile.open(archive) as members:
        members.extractall(into, filter=counted)


def _unpack_zip(archive: Path, into: Path) -> None:
    with ZipFile(archive) as members:
        bound = _bound(archive)
        for member in members.infolist():
            _require_inside(archive, member)
            bound(max(member.file_size, _LEAST))
        members.extractall(into)  # reads no more of a member than the size that was counted


def _require_inside(archive: Path, member: ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{archive} holds {member.filename!r}, which leads outside its folder: it was not unpacked")


def _bound(archive: Path) -> Callable[[int], None]:
    """A function that is told of every so many bytes before they are written. Raises `UserError` for too many."""
    most, seen = _TIMES * archive.stat().st_size + _FREE, 0

    def count(more: int) -> None:
        nonlocal seen
        seen += more
        if seen > most:
            raise UserError(
                f"{archive} holds more than {most / 2**30:.1f} GB, {_TIMES} times its own size and 1 GB, which is the "
                "limit: it was not unpacked. If the archive is right, unpack it yourself and put the folder in place"
            )

    return count


def _copy(source: Any, target: Any, bound: Callable[[int], None]) -> None:
    while chunk := source.read(1 << 20):
        bound(len(chunk))
        target.write(chunk)
