"""The feature point in a backbone's name: which layer its features are read at, and how. Facts only: no torch here.

BACKBONE@LAYER.READOUT, BACKBONE@before-projection or BACKBONE@every-layer; without a point, the features are the
backbone's own.

LAYER    block0, block1, ... of a transformer; stage0, stage1, ... of a convolutional network (its last map of each
         resolution); final: after all of them and the closing norm or convolution
READOUT  cls: class token; mean: mean of the patch tokens; pool: mean of the map's places

>>> split_point("dinov2_vits14@block6.cls")
('dinov2_vits14', 'block6.cls')
>>> layer_and_readout("block6.cls"), words_of("block6.cls")
(('block6', 'cls'), 'class token after block 6')
"""

import re

from lgm_core.base.errors import UnknownName

BEFORE_PROJECTION, EVERY_LAYER = "before-projection", "every-layer"
READOUTS = {"cls": "class token", "mean": "mean of the patch tokens", "pool": "average-pooled map"}
_POINT = re.compile(rf"((?:block|stage)\d{{1,3}}|final)\.({'|'.join(READOUTS)})|{BEFORE_PROJECTION}|{EVERY_LAYER}")
_OPEN = ("file:", "python:")  # their paths may hold an @
HOW = (
    f"BACKBONE@LAYER.READOUT, such as @block6.cls, @block6.mean or @stage3.pool, BACKBONE@{BEFORE_PROJECTION} or "
    f"BACKBONE@{EVERY_LAYER}"
)
_WORDS = {BEFORE_PROJECTION: "image embedding before its projection", EVERY_LAYER: "all layers, one after another"}


def split_point(name: str) -> tuple[str, str]:
    """The name without its point, and the point; "" for the backbone's own features. Raises `UnknownName`."""
    backbone, at, point = name.rpartition("@")
    if not at or (backbone.startswith(_OPEN) and not _POINT.fullmatch(point)):
        return name, ""
    if not backbone or not _POINT.fullmatch(point):
        raise UnknownName(f"{name!r}: {point!r} is not a point of a backbone; write {HOW}")
    return backbone, point


def layer_and_readout(point: str) -> tuple[str, str]:
    """The two parts of a point; the readout of a point of one word is ""."""
    layer, _, readout = point.partition(".")
    return layer, readout


def words_of(point: str) -> str:
    """A point for people: what is read, and where."""
    layer, readout = layer_and_readout(point)
    if not readout:
        return _WORDS[point]
    where = "the last layer" if layer == "final" else re.sub(r"(\d+)", r" \1", layer)
    return f"{READOUTS[readout]} after {where}"
