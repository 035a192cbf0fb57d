"""The authors' published checkpoints of RCIG: a msgpack tree as Flax writes it, read without Flax or torch.

RCIG specification, section 7. Legend: M images, K channels, R side, C classes.

>>> found = read_published(Path("checkpoint_15000"))
>>> found.step, found.values["pixels"].shape
(15000, (10, 3, 32, 32))
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from lgm_core.base.errors import UserError
from lgm_core.methods.catalog import ImportedSet
from lgm_core.methods.rcig.presets import paper_preset

_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3  # Flax's extension types
_NAMES = {"x_proto": "pixels", "y_proto": "targets", "log_temp": "log_temperature"}
_MOST_BYTES = 4 << 30  # of a checkpoint
_CHUNKED = "__msgpack_chunked_array__"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """Images [M, K, R, R] as networks see them, labels [M, C], log temperature []; each by name in every field.

    step     outer steps done
    values   what is learned
    hidden   the running mean before its correction; empty where the file has none
    first, second   the optimiser's moments; empty where the file has none
    """

    step: int
    values: Arrays
    hidden: Arrays
    first: Arrays
    second: Arrays


def read_published(path: Path) -> PublishedSet:
    """Read a checkpoint. Raises `UserError` for a file that is not one, or that lacks images, labels or temperature."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise UserError(f"give the path of a file of at most {_MOST_BYTES >> 30} GB")
        found = _read(msgpack.unpackb(path.read_bytes(), ext_hook=_extension, strict_map_key=False, raw=False))
    except Exception as error:  # a file of anybody's: what a wrong tree runs into has no common name
        wrong = f"{path} is not an RCIG checkpoint ({error or type(error).__name__}): `params` with {', '.join(_NAMES)}"
        raise UserError(f"{wrong} is expected in a msgpack file") from error
    if wrong := _what_misfits(found):
        raise UserError(f"{path} is not an RCIG checkpoint that can be imported: {wrong}")
    return found


def _read(tree: Any) -> PublishedSet:
    if not isinstance(tree, dict) or set(_NAMES) - set(tree.get("params", {})):
        raise UserError("other contents")
    moments = _moments(tree.get("opt_state", {}))
    return PublishedSet(
        step=int(np.asarray(tree.get("train_it", tree.get("step", 0)))),
        values=_named(tree["params"]),
        hidden=_named(tree.get("ema_hidden") or {}),
        first={name: array for mu, _ in moments for name, array in _named(mu).items()},
        second={name: array for _, nu in moments for name, array in _named(nu).items()},
    )


def _what_misfits(found: PublishedSet) -> str:
    """What of the shapes and numbers does not go together, in words; "" where all does."""
    shapes = {name: array.shape for name, array in found.values.items()}
    pixels, targets = shapes.get("pixels", ()), shapes.get("targets", ())
    if len(pixels) != 4 or pixels[1] not in (1, 3) or pixels[2] != pixels[3] or not np.prod(pixels):
        return f"images [M, 1 or 3, R, R] are expected, x_proto has {list(pixels)} as NCHW"
    if len(targets) != 2 or targets[0] != pixels[0] or not targets[1]:
        return f"labels [{pixels[0]}, C] are expected, y_proto has {list(targets)}"
    if shapes.get("log_temperature", (1,)) not in ((), (1,)):
        return f"log_temp is one number, the file has {list(shapes['log_temperature'])}"
    for arrays in (found.values, found.hidden, found.first, found.second):
        for name, array in arrays.items():
            if array.shape != shapes[name] or not np.isfinite(array).all():
                return f"{name} has other shapes in different places, or numbers that are not finite"
    return "" if 0 <= found.step < 10**7 else f"it counts {found.step} steps"


def imported(file: Path, dataset: str, classes: int | None) -> ImportedSet:
    """What a run has to be told to take the file up. `classes`: of the data set, None where unknown.

    Raises `UserError` for a file that cannot be taken up.
    """
    found = read_published(file)
    if not found.step:
        raise UserError(f"{file} holds the images before the first step; take a later checkpoint")
    images, learned = found.values["targets"].shape
    per_class, side = max(images // (classes or learned), 1), found.values["pixels"].shape[-1]
    settings = {
        "images_per_class": per_class, "rcig": {"published": str(file)}, "scratch": {"resolution": side},
    }  # fmt: skip
    preset = paper_preset(dataset, per_class, side)
    return ImportedSet(preset=preset, network="conv", steps=found.step, settings=settings)


def _named(tree: dict[str, Any]) -> Arrays:
    """Arrays under our names; images NHWC -> NCHW. What the optimiser masks is no array, and left out."""
    found = {_NAMES[key]: _whole(value) for key, value in tree.items() if key in _NAMES}
    arrays = {key: np.asarray(value, dtype=np.float32) for key, value in found.items() if value is not None}
    if "pixels" in arrays:
        arrays["pixels"] = np.ascontiguousarray(arrays["pixels"].transpose(0, 3, 1, 2))
    return arrays


def _whole(value: Any) -> Any:
    """An array or number; Flax cuts arrays of more than a gigabyte into chunks; None for an empty node."""
    if not isinstance(value, dict):
        return value
    if not value.get(_CHUNKED):
        return None
    shape = [value["shape"][str(i)] for i in range(len(value["shape"]))]
    return np.concatenate([value["chunks"][str(i)] for i in range(len(value["chunks"]))]).reshape(shape)


def _moments(tree: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every pair of first and second moments in the optimiser's tree, however deep."""
    if not isinstance(tree, dict):
        return []
    if "mu" in tree and "nu" in tree:
        return [(tree["mu"], tree["nu"])]
    return [pair for branch in tree.values() for pair in _moments(branch)]


def _extension(code: int, data: bytes) -> Any:
    if code in (_ARRAY, _SCALAR):
        shape, name, content = msgpack.unpackb(data, raw=False)
        return np.frombuffer(content, dtype=np.dtype(name)).reshape(shape).copy()
    if code == _COMPLEX:
        return complex(*msgpack.unpackb(data))
    return msgpack.ExtType(code, data)
