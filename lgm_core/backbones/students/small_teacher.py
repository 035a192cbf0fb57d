"""A small network that is trained here, on the class numbers of a run's training images, to be a teacher.

Its features are targets as those of a pre-trained backbone are, but it has seen every label: what is pre-trained to
give them is not free of labels. It is kept in the folder `teachers` of the cache, under a key of all that its bits
depend on.

>>> network, key = small_teacher(bench, config, open_standardised(bench, config.scratch, config.dataset))
>>> network.features(images).shape
torch.Size([10, 512])
"""

import hashlib
import json
from dataclasses import asdict

from filelock import FileLock

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.students.networks import Student, StudentShape, build_student
from lgm_core.backbones.students.regression import target_shape
from lgm_core.backbones.students.training import ScratchRecipe, centred_targets, train_networks
from lgm_core.base.interfaces import generator
from lgm_core.base.settings import SharedConfig
from lgm_core.base.tensor_files import load_cached, save_tensors
from lgm_core.datasets.whitened import Whitened

_BATCH = 64


def teacher_shape(config: SharedConfig, channels: int, classes: int) -> StudentShape:
    """The network of the name `pretrain.teacher`, for a run's images and classes."""
    return target_shape(config.pretrain.teacher, config.scratch, channels=channels, size=classes)


def small_teacher(bench: Bench, config: SharedConfig, real: Whitened) -> tuple[Student, str]:
    """The network in evaluation mode, and its key; trained where it is not there, from the beginning if cut short."""
    name, device = config.pretrain.teacher, bench.compute.device
    shape = teacher_shape(config, real.train.pixels.shape[1], real.classes)
    recipe = ScratchRecipe(
        steps=config.pretrain.teacher_steps, learning_rate=1e-3, warmup=100, batch=_BATCH, seeds=1,
        first_seed=config.seed,
    )  # fmt: skip
    facts = [bench.train.fingerprint, bench.train.content, asdict(shape), asdict(recipe), device.type]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    data = bench.train.name.replace("/", "-").replace(":", "-")
    path = bench.cache / "teachers" / f"{data}-{shape.architecture}-{key}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    bench.note(f"the teacher {name} is trained here on the class numbers of all training images")
    with FileLock(f"{path}.lock", fallback_to_soft=False):
        known = load_cached(path, bench.note)
        if known is None:

            def progress(done: int, total: int) -> None:
                bench.phase(f"the teacher {name}, in training", done, total)

            targets = centred_targets(real.train.labels, real.classes).to(device)
            (made,) = train_networks(real.train.values, targets, shape, recipe=recipe, progress=progress)
            save_tensors(known := {name: tensor.cpu() for name, tensor in made.state_dict().items()}, path)
    network = build_student(shape, random=generator("cpu", config.seed))
    network.load_state_dict(known)
    return network.to(device).eval().requires_grad_(False), key
