"""What of plain values, read from a file of anybody's, is not of the shape that its readers need.

A name that ends in "?" may be missing.

>>> misfits({"step": 3, "columns": "5"}, {"step": int, "columns": int, "rows": int, "side?": int})
['columns', 'rows']
"""

from collections.abc import Mapping
from itertools import chain
from types import FunctionType, UnionType
from typing import Any, get_args

from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name

NUMBER, MAYBE = int | float, (int | float, None)
MOST = 16383  # pixels of a WebP's side, and tiles in a row of it


def file_name_in(value: Any) -> bool:
    """The name of a file in the folder that lists it, never one that leads elsewhere."""
    return isinstance(value, str) and not why_no_name(value, LONGEST_FILE_NAME)


def natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def count(value: Any) -> bool:
    """At least one, and not so many that a picture of it would fill the memory."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def fits(value: Any, shape: Any) -> bool:
    """Is the value of a shape: a type, None, a list of one shape, fields with shapes, one of several in a tuple?

    Or what a function says yes to.
    """
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, list):
        if isinstance(value, list) and set(map(type, value)) <= _plain_types(shape[0]):
            return True  # long lists of numbers, as in maps and curves, without a look at each
        if isinstance(shape[0], list) and isinstance(value, list) and set(map(type, value)) <= {list}:
            return fits([*chain(*value)], shape[0])  # points: all their numbers at once
        return isinstance(value, list) and all(fits(one, shape[0]) for one in value)
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and not misfits(value, shape)
    if isinstance(shape, FunctionType):
        return shape(value)
    return value is None if shape is None else isinstance(value, shape)


def _plain_types(shape: Any) -> set[type]:
    """The types whose values are of the shape, as far as that is known without a look at the value."""
    if isinstance(shape, UnionType):
        return set(get_args(shape))
    if isinstance(shape, tuple):
        return {kind for one in shape for kind in _plain_types(one)}
    return {type(None)} if shape is None else {shape} if isinstance(shape, type) else set()


def misfits(values: Mapping[str, Any], shape: Mapping[str, Any]) -> list[str]:
    """The fields that are missing or not of their shape."""
    asked = {name.removesuffix("?"): (inner, name.endswith("?")) for name, inner in shape.items()}
    return [
        name for name, (inner, may_lack) in asked.items()
        if (not may_lack if name not in values else not fits(values[name], inner))
    ]  # fmt: skip
