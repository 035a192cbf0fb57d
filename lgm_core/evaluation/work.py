"""How long an evaluation takes, estimated from how long one image takes. Needs no torch.

>>> seconds_of(key, train_images=10, data=data, per_image=0.002)
31.4
"""

from lgm_core.backbones.students.student_names import is_student, student_name, usual_depth
from lgm_core.base.costs import DECODE_SECONDS, HEAD_SECONDS, DataSize
from lgm_core.base.names import load
from lgm_core.base.settings import ScratchConfig
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.evaluation.protocol import Key

_PASSES = 50  # over the features, to the optimum of a head
_SPEED = {"cpu": 3e10, "cuda": 5e12}  # operations per second: a guess, until a network is measured here


def seconds_of(key: Key, *, train_images: int, data: DataSize, per_image: float) -> float:
    """Seconds of one evaluation of a set of so many images, without the features of the test images.

    `per_image`: seconds of a forward pass through a frozen backbone, or of a training step of a student.
    """
    return load(PROTOCOLS[key.protocol].seconds)(key, train_images, data, per_image)


def seconds_of_means(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """The views; the means themselves take milliseconds."""
    return key.settings["probe.views"] * train_images * per_image


def seconds_of_nearest(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """Each image once."""
    return train_images * per_image


def seconds_of_optimum(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """The views, and some hundred passes over their features."""
    passes = _PASSES * max(key.settings["probe.views"] * train_images / 1000, 1) * HEAD_SECONDS
    return seconds_of_means(key, train_images, data, per_image) + passes


def seconds_of_heads(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """The views, and the epochs of the heads."""
    get = key.settings
    heads = get["probe.epochs"] * max(train_images / get["probe.batch"], 1) * HEAD_SECONDS
    return seconds_of_means(key, train_images, data, per_image) + heads


def seconds_of_networks(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """The training of some networks, and their test; `per_image`: of a training step."""
    get = key.settings
    seen = (2 if get["scratch.flip"] else 1) * train_images
    each_step = min(seen, get["scratch.batch"]) if train_images > get["scratch.batch"] else seen
    scratch = ScratchConfig(steps=get["scratch.steps"], tail=get["scratch.tail"])
    steps = scratch.steps_for(train_images)
    steps += scratch.tail_for(train_images, augmented=student_name(key.network).augmented)
    return get["scratch.seeds"] * (steps * each_step + data.test / 3) * per_image


def seconds_of_pretraining(key: Key, train_images: int, data: DataSize, per_image: float) -> float:
    """The pre-training of some networks, features of labelled and of test images, and the heads."""
    get = key.settings
    batch = min(get["pretrain.batch"], train_images)
    steps = get["pretrain.steps"] or get["pretrain.epochs"] * -(-train_images // get["pretrain.batch"])
    labelled = key.labels_per_class * data.classes or key.fraction * data.train
    seen = (labelled + data.test) / 3
    return get["pretrain.seeds"] * ((steps * batch + seen) * per_image + _PASSES * HEAD_SECONDS)


def seconds_of_test_features(key: Key, data: DataSize, per_image: float) -> float:
    """Seconds for the features of the test images, which are kept once they are there."""
    return 0.0 if is_student(key.network) else data.test * (per_image + DECODE_SECONDS)


def guessed_per_image(key: Key, kind: str) -> float:
    """Seconds of a training step per image of a student that was never measured here; `kind`: "cpu" or "cuda".

    Counts two operations per product of a ConvNet's convolutions, and a backward pass as two forward passes.
    """
    told, get = student_name(key.network), key.settings
    side, before, operations = get["scratch.resolution"], 3, 0.0
    for block in range(told.depth or get["scratch.depth"] or usual_depth(side)):
        width = (told.width or get["scratch.width"]) * (1 if PROTOCOLS[key.protocol].transfers else 2**block)
        operations += 2 * 9 * before * width * side**2
        side, before = max(side // 2, 1), width
    return 3 * operations / _SPEED[kind]
