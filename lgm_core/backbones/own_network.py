"""A network of the user's own: what a function in a Python file or module returns, checked.

>>> row, network, digest = open_own(find_row("python:models/mine.py:build"))
>>> row.input_size, network(torch.rand(2, 3, 96, 96)).shape
(96, torch.Size([2, 128]))
"""

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lgm_core.backbones.row import BackboneRow, Local, is_python_file
from lgm_core.base.download import file_sha256
from lgm_core.base.errors import Unavailable, UserError
from lgm_core.base.regular_files import require_regular

_USUAL_SIZE = 224  # px
_FACTS = ("input_size", "mean", "std")


def open_own(row: BackboneRow) -> tuple[BackboneRow, nn.Module, str]:
    """The row with input size, mean and std; the network, in eval mode; a digest of the file and of all weights.

    The function takes no arguments and returns a module that maps normalised images [N, 3, S, S] to features [N, D],
    or (module, {"input_size": S, "mean": (r, g, b), "std": (r, g, b)}). What the dict lacks is taken from attributes of
    the module with these names, else 224 px and ImageNet's mean and std. Numbers drawn in it are always the same.
    Raises `Unavailable` where the file is not there, `UserError`, in words, for anything else that does not fit.
    """
    assert isinstance(row.source, Local)
    file = row.source.path
    require_regular(file)
    if not file.exists():
        raise Unavailable(f"{file} does not exist: {row.name} names a Python file, then a function in it")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        answer = _tried(row, _function(row, file))
    network, facts = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, {})
    if not isinstance(network, nn.Module) or not isinstance(facts, Mapping):
        raise UserError(
            f"{row.name}: the function returned {type(answer).__name__}; expected a torch.nn.Module or (module, "
            '{"input_size": 224, "mean": (r, g, b), "std": (r, g, b)})'
        )
    row = replace(row, **_facts(row, network, facts))
    network = network.cpu().float().eval().requires_grad_(False)
    _check_features(row, network)
    return row, network, _digest(file, network)


def _function(row: BackboneRow, file: Path) -> Callable[[], Any]:
    target, _, name = row.architecture.rpartition(":")
    module = _tried(row, lambda: _module(target, file))
    found = getattr(module, name, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{target} has no function {name!r}; it has {', '.join(known) or 'none'}")
    return found


def _module(target: str, file: Path) -> ModuleType:
    """The module, by its name, or from its file, which may import what lies beside it."""
    if not is_python_file(target):
        return importlib.import_module(target)
    path = file.resolve()
    spec = importlib.util.spec_from_file_location(f"own_network_{file_sha256(path)[:16]}", path)
    assert spec is not None and spec.loader is not None  # is_python_file: it ends with .py
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _tried(row: BackboneRow, run: Callable[[], Any]) -> Any:
    """What the user's code returns; its errors become a sentence that names the line."""
    try:
        return run()
    except UserError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
        raise UserError(f"{row.name} failed with {type(error).__name__}: {error} ({where})") from error


def _facts(row: BackboneRow, network: nn.Module, told: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(told) - set(_FACTS):
        raise UserError(f"{row.name} returned unknown {', '.join(sorted(unknown))}; known are {', '.join(_FACTS)}")
    usual = {"input_size": _USUAL_SIZE, "mean": row.mean, "std": row.std}
    found = {name: told.get(name, getattr(network, name, value)) for name, value in usual.items()}
    size = found["input_size"]
    if not isinstance(size, int) or size < 8:
        raise UserError(f"{row.name}: input_size is a side in pixels, a whole number of at least 8; {size!r} was given")
    for name in ("mean", "std"):
        values = torch.as_tensor(found[name]).flatten().tolist()
        if len(values) != 3 or name == "std" and min(values) <= 0:
            raise UserError(f"{row.name}: {name} is three numbers, for images in [0, 1]; {found[name]!r} was given")
        found[name] = tuple(values)
    return found


def _check_features(row: BackboneRow, network: nn.Module) -> None:
    images = torch.zeros(2, 3, row.input_size, row.input_size, requires_grad=True)
    features = _tried(row, lambda: network(images))
    said = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        raise UserError(
            f"{row.name}: for images [2, 3, {row.input_size}, {row.input_size}] the network returned {said}; "
            "features [2, D] are expected, one row per image: leave out its classifier, and pool or flatten"
        )
    if not features.requires_grad:
        raise UserError(
            f"{row.name}: the features cannot be differentiated with respect to the images; remove torch.no_grad() "
            "and detach() from its forward"
        )


def _digest(file: Path, network: nn.Module) -> str:
    """Of the file, and of all parameters and buffers, which it may have read from elsewhere."""
    digest = hashlib.sha256(file_sha256(file).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
