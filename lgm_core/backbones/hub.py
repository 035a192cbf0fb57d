"""One file of a model hub's repository: at a pinned revision, resumed, checked, with progress.

>>> fetch(Hub("timm/vit_small_patch14_dinov2.lvd142m"), Path("cache/weights/.fetch"), progress)
PosixPath('cache/weights/.fetch/model.safetensors')

The hub's address, the login and an offline switch are the hub client's own settings; we only pass through what it says.
"""

from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from tqdm import tqdm

from lgm_core.backbones.row import BackboneRow, Hub
from lgm_core.base.download import Progress, file_sha256
from lgm_core.base.errors import Unavailable

# What the hub's client raises without a network or for a file that is not there; the base of its HTTP errors belongs to
# whichever HTTP library it is built on.
FAILURES: tuple[type[Exception], ...] = (OSError, RuntimeError, HfHubHTTPError.__mro__[1])
TIMEOUT = 10.0  # seconds that the hub has for its first answer


class HubRefused(Exception):
    """The hub answered that a person must first accept the licence, or log in."""


def fetch(source: Hub, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the file below `folder`; what lies there is taken up again. One in the client's own cache is used as it is.

    Raises `HubRefused`, one of `FAILURES`, or `Unavailable` for a wrong digest.
    """
    cached = huggingface_hub.try_to_load_from_cache(source.repo, source.file, revision=source.revision)
    if isinstance(cached, str):
        return Path(cached)
    try:
        url = huggingface_hub.hf_hub_url(source.repo, source.file, revision=source.revision)
        stated = huggingface_hub.get_hf_file_metadata(
            url, timeout=TIMEOUT
        )  # fails at once where the hub is out of reach
        path = huggingface_hub.hf_hub_download(
            source.repo, source.file, revision=source.revision, local_dir=folder, etag_timeout=TIMEOUT,
            tqdm_class=_reporter(progress),
        )  # fmt: skip
    except GatedRepoError as error:
        raise HubRefused(str(error)) from error
    expected = source.sha256 or _digest(stated.etag)
    if expected and (found := file_sha256(Path(path))) != expected:
        Path(path).unlink()
        raise Unavailable(f"{source.file} of {source.repo} arrived with sha256 {found}, expected {expected}; try again")
    return Path(path)


def remedy(row: BackboneRow, source: Hub, folder: Path, error: Exception) -> str:
    """What to tell the user when the file cannot be had from here."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    place = f"save it as {folder / row.file} (or under that name in a folder listed in LGM_WEIGHTS)"
    if isinstance(error, HubRefused) or row.gated:
        return (
            f"the weights of {row.title} require you to accept their licence ({row.licence}): log in to the hub, "
            f"accept it on the page of the repository {source.repo}, run `hf auth login` on this machine, try again; "
            f"or download {source.file} there and {place}. The hub said: {reason}"
        )
    return (
        f"the weights of {row.title} are not on this machine and the hub cannot be reached ({reason}): on a "
        f"machine with access, download {source.file} of the repository {source.repo} (revision {source.revision}) and "
        f"{place}"
    )


def _digest(etag: str | None) -> str:
    """The SHA-256 that the hub states, "" where it states none: only a large file's ETag is its digest."""
    return etag if etag and len(etag) == 64 else ""


def _reporter(progress: Progress | None) -> type[tqdm]:
    """A silent bar, as the hub's client wants one, that tells `progress` instead of the terminal."""

    class Reporter(tqdm):  # the client takes a subclass of tqdm and nothing else
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})
            self.done = options.get("initial") or 0

        def update(self, n: Any = 1) -> None:
            self.done += int(n or 0)
            if progress:
                progress(self.done, int(self.total) if self.total else None)

    return Reporter
