"""From a config to a distiller that is ready to step: one function per method, named in the registry.

>>> distiller = load(DISTILLERS, config.method, "method")(bench)
"""

import torch
from safetensors.torch import load_file
from torch import Tensor

from lgm_core.backbones.fitting import bytes_per_view, fitting_chunk
from lgm_core.base.device import free_bytes
from lgm_core.base.interfaces import Backbone, SyntheticSet, generator
from lgm_core.datasets.baselines import choose_random
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.step import LinearGradientMatching
from lgm_core.methods.lgm.targets import BankTarget, BatchTarget, MeanTarget, RealTarget
from lgm_core.workbench import Workbench


def assemble_lgm(bench: Workbench) -> LinearGradientMatching:
    """Linear Gradient Matching as `bench.config` describes it."""
    config, backbone = bench.config, bench.backbone(bench.config.backbone)
    return LinearGradientMatching(
        config.lgm,
        steps=config.steps,
        classes=bench.classes,
        target=real_target(bench, backbone),
        synthetic=synthetic_set(bench),
        backbone=backbone.compiled() if config.device.compile else backbone,
        augment=bench.augment(config.augment, backbone),
        compute=bench.compute,
        keep_moments=config.pyramid.keep_moments,
        seed=config.seed,
        chunk=fitting(bench, backbone),
    )


def fitting(bench: Workbench, backbone: Backbone) -> int:
    """Views per forward pass that the free memory allows, said to the user where that is not all; 0: all at once."""
    config, compute = bench.config, bench.compute
    views = config.lgm.views * config.images_per_class * bench.classes
    if config.lgm.chunk:
        return config.lgm.chunk
    chunk = fitting_chunk(views, bytes_per_view(backbone, compute), free_bytes(compute.device))
    if chunk:
        bench.recorder.note(f"{views} views do not fit into memory at once; they go in chunks of {chunk}.")
    return chunk


def real_target(bench: Workbench, backbone: Backbone) -> RealTarget:
    """The real side: `config.lgm.target`."""
    config, compute = bench.config, bench.compute
    lgm = config.lgm
    if lgm.target == "batch":
        return BatchTarget(
            bench.train,
            backbone,
            bench.augment(config.augment, backbone),
            compute,
            batch=config.images_per_class * lgm.views * bench.classes,
            resize=config.data.resize,
            balanced=lgm.balance,
            seed=config.seed,
        )
    bank = bench.view_bank(bench.train, backbone, config.augment, config.bank.views)
    if lgm.target == "mean":
        return MeanTarget(bank, balanced=lgm.balance, device=compute.device)
    return BankTarget(bank, balanced=lgm.balance, rows=lgm.bank_rows, seed=config.seed, device=compute.device)


def synthetic_set(bench: Workbench) -> SyntheticSet:
    """The learned images at their start: `config.synthetic`, `config.pyramid`."""
    config, classes, per_class = bench.config, bench.classes, bench.config.images_per_class
    initial = _forked_start(bench)
    if initial is None and config.synthetic.initial == "real":
        initial = _real_start(bench)
    if config.synthetic.parameterisation == "pixels":
        random = generator("cpu", config.seed)
        made = PixelSet(config.synthetic, classes=classes, images_per_class=per_class, random=random, initial=initial)
    else:
        made = PyramidSet(
            config.synthetic,
            config.pyramid,
            grow_every=config.grow_every(),
            classes=classes,
            images_per_class=per_class,
            seed=config.seed,
            initial=initial,
        )
    return made.to(bench.compute.device)


def _forked_start(bench: Workbench) -> Tensor | None:
    """The images that a fork takes over from a frame of another run."""
    start = bench.recorder.run.start
    return load_file(start)["images"].float() / 255 if start.exists() else None


def _real_start(bench: Workbench) -> Tensor:
    labels = torch.as_tensor(bench.train.labels)
    chosen = choose_random(
        labels, classes=bench.classes, per_class=bench.config.images_per_class, seed=bench.config.seed
    )
    return bench.pictures(bench.train, chosen, bench.config.synthetic.resolution).cpu()
