"""The tensors that a file of anybody's holds, read without running anything that is in it.

>>> state = read_tensors(Path("mobilenet_v2.pth"))  # {"features.0.0.weight": ..., ...}
"""

from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor

from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import State
from lgm_core.base.regular_files import require_regular

_MOST_DIMENSIONS = 8  # of a tensor of weights; convolutions over videos have five


def read_tensors(path: Path) -> State:
    """The tensors of a safetensors or PyTorch file, without running anything that is in it. Raises `UserError`.

    No tensor is larger than what the file holds of it, so that a small file cannot fill the memory.
    """
    require_regular(path)
    try:
        content = _stored(path)
    except Exception as error:  # the readers of broken files raise whatever they run into
        raise UserError(f"{path} cannot be opened as weights ({_first_line(error)}); fetch it again") from error
    for name in ("state_dict", "model", "teacher"):  # keys under which published checkpoints nest their weights
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__} instead of named tensors")
    found = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    for name, tensor in found.items():
        if wrong := _why_not_stored(tensor):
            raise UserError(f"{path} cannot be opened as weights ({name} {wrong}); fetch it again")
    return found


def read_tensor(path: Path) -> Tensor:
    """The one tensor of a PyTorch file, float32, without running anything that is in it. Raises `UserError`."""
    require_regular(path)
    try:
        content = _stored(path)
    except Exception as error:
        raise UserError(f"{path} cannot be read ({_first_line(error)}); wanted: a tensor in a PyTorch file") from error
    wrong = _why_not_stored(content) if isinstance(content, Tensor) else f"holds a {type(content).__name__}"
    if wrong or not content.is_floating_point():
        raise UserError(f"{path} {wrong or f'holds {content.dtype}'}; wanted: a tensor of floating point numbers")
    return content.detach().float()


def _stored(path: Path) -> Any:
    """What a file holds; of a zip, members may not unpack to more than the file: PyTorch stores them as they are."""
    if path.suffix == ".safetensors":
        return load_file(path)
    if is_zipfile(path):
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > path.stat().st_size:
            raise UserError(f"its members unpack to {unpacked} bytes, more than the file has")
    return torch.load(path, map_location="cpu", weights_only=True)


def _why_not_stored(tensor: Tensor) -> str:
    if tensor.layout != torch.strided or tensor.is_quantized:
        return "is sparse or quantised"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"has the shape {list(tensor.shape)}, but the file holds fewer values"
    return f"has {tensor.ndim} dimensions" if tensor.ndim > _MOST_DIMENSIONS else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
