"""Small networks that are trained here: ConvNet, ResNet-18 and -10, VGG-11, AlexNet, for images of 8 to 128 px.

Each is a `body` (a sequence of layers that ends in a flat feature vector) and a linear `head`. RCIG specification,
sections 4.1 and 6. Legend: N images, K channels, R side, D features, C classes.

>>> student = build_student(StudentShape(side=32, channels=3, classes=10, width=32), random=generator("cpu", 0))
>>> student(torch.zeros(2, 3, 32, 32)).shape, student.features(torch.zeros(2, 3, 32, 32)).shape
(torch.Size([2, 10]), torch.Size([2, 2048]))
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from lgm_core.backbones.students.student_names import student_name, usual_depth
from lgm_core.base.errors import ConfigError
from lgm_core.base.names import require_known
from lgm_core.base.settings import ScratchConfig


@dataclass(frozen=True, kw_only=True)
class StudentShape:
    """What network: all that its parameters' shapes depend on, and its activation.

    width     channels of the first block of a ConvNet; the other architectures have widths of their own
    depth     blocks of a ConvNet; 0: from the side, so that 3 or 4 px are left (3 at 32 px, 4 at 64, 5 at 128)
    doubling  each block of a ConvNet has twice the channels of the one before (RCIG); off: all equal (MKDT)
    softplus  beta of softplus(beta x) / beta; 0: ReLU
    """

    architecture: str = "conv"
    norm: str = "none"
    side: int
    channels: int
    classes: int
    width: int = 128
    depth: int = 0
    doubling: bool = True
    softplus: float = 0.0

    @property
    def blocks(self) -> int:
        return self.depth or usual_depth(self.side)


def student_shape(
    name: str, scratch: ScratchConfig, *, channels: int, classes: int, softplus: float = 0.0
) -> StudentShape:
    """The network of a name, such as "conv:batch:depth4"; depth and width are the name's, or those of `scratch`."""
    told = student_name(name)
    return StudentShape(
        architecture=told.architecture, norm=told.norm, side=scratch.resolution, channels=channels, classes=classes,
        width=told.width or scratch.width, depth=told.depth or scratch.depth, softplus=softplus,
    )  # fmt: skip


@final
class Activation(nn.Module):
    """softplus(beta x) / beta, whose second derivatives are smooth; ReLU at beta = 0."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return softplus(x, self.beta) if self.beta else x.relu()

    def slope(self, x: Tensor) -> Tensor:
        """Derivative at x."""
        return torch.sigmoid(self.beta * x) if self.beta else (x > 0).to(x.dtype)


@final
class Student(nn.Module):
    """A network that starts from random weights."""

    def __init__(self, shape: StudentShape, body: nn.Sequential) -> None:
        super().__init__()
        self.shape, self.body = shape, body
        with torch.no_grad():
            size = body.eval()(torch.zeros(1, shape.channels, shape.side, shape.side)).shape[-1]
        self.head = nn.Linear(size, shape.classes)

    def features(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n d"]:
        return self.body(images)

    def forward(self, images: Float[Tensor, "n k r r"]) -> Float[Tensor, "n c"]:
        return self.head(self.body(images))


def build_student(shape: StudentShape, *, random: torch.Generator, start: str = "lecun") -> Student:
    """A freshly initialised network, on the CPU; `start`: "lecun" (RCIG) or "torch" (MKDT).

    Raises `ConfigError` where the images are too small for it.
    """
    require_known(shape.architecture, _BODIES, "network")
    try:
        student = Student(shape, _BODIES[shape.architecture](shape))
    except RuntimeError as error:
        raise ConfigError(
            f"{shape.architecture} does not fit images of {shape.side} px ({error}); use a larger resolution, another "
            f"architecture{', or fewer blocks' if shape.architecture == 'conv' else ''}"
        ) from error
    _STARTS[start](student, random)
    return student


@torch.no_grad()
def initialise_as_torch(student: Student, random: torch.Generator) -> None:
    """torch's own start: weights and biases uniform within 1 / sqrt(fan-in)."""
    for module in student.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for value in module.parameters():
                value.uniform_(-bound, bound, generator=random)


@torch.no_grad()
def initialise(student: Student, random: torch.Generator) -> None:
    """LeCun normal: truncated at two standard deviations, variance 1 / fan-in after the truncation; biases 0."""
    for module in student.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            scale = 1 / (math.sqrt(module.weight[0].numel()) * 0.87962566103423978)  # std of the truncated unit normal
            nn.init.trunc_normal_(module.weight, std=scale, a=-2 * scale, b=2 * scale, generator=random)
            if module.bias is not None:
                module.bias.zero_()


_STARTS = {"lecun": initialise, "torch": initialise_as_torch}


def _conv(shape: StudentShape) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = shape.channels
    for block in range(shape.blocks):
        width = shape.width * 2**block if shape.doubling else shape.width
        layers += [_first_conv(shape, before, width, 3, block), *_norm(shape.norm, width)]
        layers += [Activation(shape.softplus), nn.AvgPool2d(2)]
        before = width
    return nn.Sequential(*layers, nn.Flatten())


def _vgg(shape: StudentShape) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = shape.channels
    for place, width in enumerate((64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)):
        if width:
            layers += [_first_conv(shape, before, width, 3, place), *_norm(shape.norm, width)]
            layers += [Activation(shape.softplus)]
            before = width
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten())


def _alexnet(shape: StudentShape) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = shape.channels
    for place, (width, kernel, pool) in enumerate(
        ((128, 5, True), (192, 5, True), (256, 3, False), (192, 3, False), (192, 3, True))
    ):
        layers += [_first_conv(shape, before, width, kernel, place), *_norm(shape.norm, width)]
        layers += [Activation(shape.softplus), *([nn.MaxPool2d(2)] if pool else [])]
        before = width
    return nn.Sequential(*layers, nn.Flatten())


def _resnet(shape: StudentShape, further: int = 1) -> nn.Sequential:
    """`further`: blocks of each width after its first one."""
    layers: list[nn.Module] = [nn.Conv2d(shape.channels, 64, 3, padding=1, bias=False), *_norm(shape.norm, 64)]
    layers.append(Activation(shape.softplus))
    before = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers.append(_Residual(before, width, stride, shape))
        layers += [_Residual(width, width, 1, shape) for _ in range(further)]
        before = width
    return nn.Sequential(*layers, nn.Flatten())


@final
class _Residual(nn.Module):
    """Two 3 x 3 convolutions beside a short cut."""

    def __init__(self, before: int, width: int, stride: int, shape: StudentShape) -> None:
        super().__init__()
        self.straight = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            *_norm(shape.norm, width),
            Activation(shape.softplus),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            *_norm(shape.norm, width),
        )
        plain = stride == 1 and before == width
        short = [] if plain else [nn.Conv2d(before, width, 1, stride, bias=False), *_norm(shape.norm, width)]
        self.short = nn.Sequential(*short)
        self.activation = Activation(shape.softplus)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.straight(x) + self.short(x))


def _first_conv(shape: StudentShape, before: int, width: int, kernel: int, place: int) -> nn.Conv2d:
    """A convolution that keeps the size; the first one of a grey image adds a margin of 2, so that 28 px become 32."""
    margin = 2 if place == 0 and shape.channels == 1 and shape.side == 28 else 0
    return nn.Conv2d(before, width, kernel, padding=kernel // 2 + margin)


def _norm(name: str, width: int) -> list[nn.Module]:
    """[] for "none". Batch statistics are nearly those of the last batch, as in the reference (Flax's momentum 0.1)."""
    require_known(name, _NORMS, "normalisation")
    return _NORMS[name](width)


_NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "none": lambda width: [],
    "batch": lambda width: [nn.BatchNorm2d(width, momentum=0.9)],
    "instance": lambda width: [nn.GroupNorm(width, width)],
    "layer": lambda width: [nn.GroupNorm(1, width)],
    "group": lambda width: [nn.GroupNorm(math.gcd(32, width), width)],
}
_BODIES: dict[str, Callable[[StudentShape], nn.Sequential]] = {
    "conv": _conv,
    "resnet": _resnet,
    "resnet10": partial(_resnet, further=0),
    "vgg": _vgg,
    "alexnet": _alexnet,
}
