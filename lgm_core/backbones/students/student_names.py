"""Names of small networks that are trained here, from scratch, rather than opened with weights. Needs no torch.

ARCHITECTURE[:NORMALISATION][:depthN][:widthN][:augmented], such as "conv", "resnet:batch", "conv:instance:depth4".

>>> student_name("conv:batch:depth4:augmented")
StudentName(architecture='conv', norm='batch', augmented=True, depth=4, width=0)
>>> is_student("mobilenet_v2")
False
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from lgm_core.base.errors import ConfigError
from lgm_core.base.names import unknown

ARCHITECTURES = {
    "conv": "3 x 3 convolutions, each with average pooling; the width doubles per block, but for pre-training",
    "resnet": "ResNet-18 with a 3 x 3 stem, flattened instead of pooled at the end",
    "resnet10": "ResNet-10, the same with one block of each width",
    "vgg": "VGG-11, flattened",
    "alexnet": "five convolutions of AlexNet's kind for small images, flattened",
}
NORMS = ("none", "batch", "instance", "layer", "group")
AUGMENTED = "augmented"
_SIZE, _MOST = re.compile(r"(depth|width)(\d{1,4})"), {"depth": 7, "width": 1024}


@dataclass(frozen=True)
class StudentName:
    """What a name says. `augmented`: trained on augmented images where it is used to evaluate a set.

    `depth` (blocks) and `width` (channels of the first block) of a ConvNet; 0: the run's scratch.depth, scratch.width.
    """

    architecture: str
    norm: str = "none"
    augmented: bool = False
    depth: int = 0
    width: int = 0


def is_student(name: str) -> bool:
    """Does the name mean a network that is trained from scratch?"""
    return name.split(":")[0] in ARCHITECTURES


def usual_depth(side: int) -> int:
    """Blocks of a ConvNet on images of so many pixels, so that 3 or 4 are left (2 at 8, 3 at 32, 4 at 64, 5 at 128)."""
    return min(max(round(math.log2(side)) - 2, 2), 5)


def student_name(name: str) -> StudentName:
    """Take a name apart. Raises `ConfigError` for a word that is not known."""
    architecture, *words = name.split(":")
    if architecture not in ARCHITECTURES:
        raise ConfigError(unknown(architecture, ARCHITECTURES, "network"))
    found: dict[str, Any] = {}
    for word in words:
        size = _SIZE.fullmatch(word)
        if word == AUGMENTED:
            found["augmented"] = True
        elif word in NORMS:
            found["norm"] = word
        elif size and architecture == "conv" and 0 < int(size[2]) <= _MOST[size[1]]:
            found[size[1]] = int(size[2])
        elif size:
            raise ConfigError(
                f"{name!r}: a depth is 1 to {_MOST['depth']} and a width 1 to {_MOST['width']}, and only conv has them"
            )
        else:
            raise ConfigError(f"{name!r}: " + unknown(word, (*NORMS, "depthN", "widthN", AUGMENTED), "normalisation"))
    return StudentName(architecture, **found)
