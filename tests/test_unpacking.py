"""Archives of anybody's: members that lead outside, are no files, or fill the disk."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from lgm_core.base.errors import UserError
from lgm_core.datasets import unpacking
from lgm_core.datasets.unpacking import unpack

PACKERS = {".tar": lambda data: data, ".tar.gz": gzip.compress, ".tar.xz": lzma.compress, ".tar.bz2": bz2.compress}


def _tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


OUTSIDE = {
    "dots": [_member("../escaped")],
    "dots within": [_member("a/../../escaped")],
    "link": [_member("a", tarfile.SYMTYPE, "../.."), _member("a/escaped")],
    "absolute link": [_member("a", tarfile.SYMTYPE, "/etc")],
    "hard link": [_member("a", tarfile.LNKTYPE, "../../escaped")],
    "device": [_member("a", tarfile.CHRTYPE)],
    "block device": [_member("a", tarfile.BLKTYPE)],
    "pipe": [_member("a", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_of_a_tar_leaves_its_folder_or_is_no_file(name: str, suffix: str, tmp_path: Path):
    archive = tmp_path / f"a{suffix}"
    archive.write_bytes(PACKERS[suffix](_tar(*OUTSIDE[name])))
    into = tmp_path / "deep" / "into"
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(archive, into)
    assert not list(tmp_path.rglob("escaped")) and not [path for path in into.rglob("*") if not path.is_symlink()]


def test_an_absolute_member_lands_inside(tmp_path: Path):
    (tmp_path / "a.tar").write_bytes(_tar(_member(f"{tmp_path}/escaped"), content=b"x"))
    unpack(tmp_path / "a.tar", tmp_path / "into")
    assert not (tmp_path / "escaped").exists() and len([p for p in (tmp_path / "into").rglob("escaped")]) == 1


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped", "..\\escaped"])
def test_nothing_of_a_zip_leaves_its_folder(name: str, tmp_path: Path):
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(UserError, match="leads outside its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.parametrize("suffix", [*PACKERS, ".zip", ".gz"])
def test_a_bomb_is_refused_with_the_limit(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "_FREE", 1 << 20)
    archive, content = tmp_path / f"a{suffix}", bytes(40 << 20)
    if suffix == ".zip":
        with ZipFile(archive, "w", ZIP_DEFLATED) as members:
            members.writestr("a", content)
    elif suffix == ".gz":
        archive.write_bytes(gzip.compress(content))
    else:
        archive.write_bytes(PACKERS[suffix](_tar(_member("a"), content=content)))
    if suffix == ".tar":
        unpack(archive, tmp_path / "into")  # as large packed as unpacked: no bomb
        return
    with pytest.raises(UserError, match="30 times its own size and 1 GB, which is the limit"):
        unpack(archive, tmp_path / "into")
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*")) < 4 << 20


def test_a_million_empty_members_are_a_bomb_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "_FREE", 1 << 10)
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(_tar(*(_member(f"m{i}") for i in range(2000)))))
    with pytest.raises(UserError, match="which is the limit"):
        unpack(tmp_path / "a.tar.xz", tmp_path / "into")


@pytest.mark.parametrize("suffix", [*PACKERS, ".zip", ".gz"])
def test_a_broken_archive_is_a_sentence(suffix: str, tmp_path: Path):
    whole = PACKERS.get(suffix, gzip.compress)(_tar(_member("a"), content=bytes(range(256)) * 64))
    for place, junk in enumerate((b"x" * 600, whole[: len(whole) // 2])):
        archive = tmp_path / f"a{place}{suffix}"
        archive.write_bytes(junk)
        with pytest.raises(UserError, match="cannot be unpacked .* Remedy: delete it and fetch again"):
            unpack(archive, tmp_path / f"into{place}")
