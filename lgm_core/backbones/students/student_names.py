"""Names of small networks that are trained here, from scratch, rather than opened with weights. Needs no torch.

ARCHITECTURE[:NORMALISATION][:augmented], such as "conv", "resnet:batch", "conv:augmented".

>>> student_name("conv:batch:augmented")
StudentName(architecture='conv', norm='batch', augmented=True)
>>> is_student("mobilenet_v2")
False
"""

from dataclasses import dataclass

from lgm_core.base.errors import ConfigError
from lgm_core.base.names import unknown

ARCHITECTURES = {
    "conv": "3 x 3 convolutions whose width doubles per block, each with average pooling",
    "resnet": "ResNet-18 with a 3 x 3 stem, flattened instead of pooled at the end",
    "vgg": "VGG-11, flattened",
    "alexnet": "five convolutions of AlexNet's kind for small images, flattened",
}
NORMS = ("none", "batch", "instance", "layer", "group")
AUGMENTED = "augmented"


@dataclass(frozen=True)
class StudentName:
    """What a name says. `augmented`: trained on augmented images where it is used to evaluate a set."""

    architecture: str
    norm: str = "none"
    augmented: bool = False


def is_student(name: str) -> bool:
    """Does the name mean a network that is trained from scratch?"""
    return name.split(":")[0] in ARCHITECTURES


def student_name(name: str) -> StudentName:
    """Take a name apart. Raises `ConfigError` for a word that is not known."""
    architecture, *words = name.split(":")
    if architecture not in ARCHITECTURES:
        raise ConfigError(unknown(architecture, ARCHITECTURES, "network"))
    norm, augmented = "none", False
    for word in words:
        if word == AUGMENTED:
            augmented = True
        elif word in NORMS:
            norm = word
        else:
            raise ConfigError(f"{name!r}: " + unknown(word, (*NORMS, AUGMENTED), "normalisation"))
    return StudentName(architecture, norm, augmented)
