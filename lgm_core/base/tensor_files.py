"""Tensors on disk: written whole or not at all, sealed (`seals`), and read as what was written or not at all.

>>> save_tensors({"images": images}, run.synthetic)
>>> load_tensors(run.synthetic)["images"].shape
torch.Size([10, 3, 256, 256])
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import replacing
from lgm_core.base.interfaces import State
from lgm_core.base.seals import UNSEALED, require_whole, seal

_warn = logging.getLogger("lgm").warning


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Replace a file of tensors atomically; a kill or a power failure leaves the old one whole."""
    with replacing(path, durable=True) as new:
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        # not save_file: a kill leaves its own temporary file behind, and it hides what the system said of a full disk
        new.write_bytes(save(contiguous, metadata={**UNSEALED, **(metadata or {})}))
        seal(new)


def load_tensors(path: Path) -> State:
    """All tensors of a file, on the CPU. Raises `DamagedFile` where it is not as it was written."""
    return load_with_metadata(path)[0]


def load_cached(path: Path, note: Callable[[str], object] = _warn) -> State | None:
    """The tensors of a cache; None where there is none, or a damaged one, of which `note` is told: compute it again."""
    if not path.exists():
        return None
    try:
        return load_tensors(path)
    except DamagedFile as error:
        note(f"{error}; recomputing it")
        return None


def load_with_metadata(path: Path) -> tuple[State, dict[str, str]]:
    """The same, and what was written beside them."""
    metadata = require_whole(path)
    try:
        return load_file(path), metadata
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged ({str(error).splitlines()[0]})") from None
