"""From the settings to Linear Gradient Matching, ready to step.

>>> distiller = assemble(own_settings(config), config, bench)
"""

from dataclasses import replace
from functools import cache, partial

import torch
from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.backbones.features import Bank
from lgm_core.backbones.fitting import bytes_per_view, fitting_chunk
from lgm_core.base.device import free_bytes
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import Backbone, generator
from lgm_core.base.ranks import ranks, share
from lgm_core.base.settings import SharedConfig
from lgm_core.datasets.baselines import choose_centroids, choose_random
from lgm_core.datasets.rivals import choose_greedy, joined_space
from lgm_core.datasets.spread import spread
from lgm_core.methods.lgm.clusters import in_order_of_parts, parts_of_classes
from lgm_core.methods.lgm.colour import Colour
from lgm_core.methods.lgm.confused import swapped_pairs
from lgm_core.methods.lgm.learned_images import LearnedImages
from lgm_core.methods.lgm.lgm_settings import LGMSettings
from lgm_core.methods.lgm.metric import metric_of
from lgm_core.methods.lgm.objectives.catalog import Side, objective_of
from lgm_core.methods.lgm.phases import PhaseSet, natural_spectrum
from lgm_core.methods.lgm.pixels import PixelSet
from lgm_core.methods.lgm.pyramid import PyramidSet
from lgm_core.methods.lgm.source import Source
from lgm_core.methods.lgm.step import LinearGradientMatching, next_turn
from lgm_core.methods.lgm.targets import BankTarget, BatchTarget, MeanTarget, RealTarget

_PHOTOGRAPHS = 256  # real images whose spectra are averaged, for `synthetic.parameterisation phase`


def assemble(own: LGMSettings, shared: SharedConfig, bench: Bench) -> LinearGradientMatching:
    """Linear Gradient Matching as the settings describe it. `own`: the method's groups, `shared`: all others."""
    synthetic = synthetic_set(own, shared, bench)
    bench.show_start(synthetic.images)
    return LinearGradientMatching(
        own.lgm,
        steps=shared.steps,
        synthetic=synthetic,
        rows=torch.arange(len(synthetic.labels)) if own.clusters_per_class(shared.images_per_class) > 1 else None,
        sources=[source(own, shared, bench, place) for place in range(len(shared.networks()))],
        keep_moments=own.pyramid.keep_moments,
    )


def source(own: LGMSettings, shared: SharedConfig, bench: Bench, place: int) -> Source:
    """The backbone at a place of the list, with its views, its real side and its objective."""
    names, views = shared.networks(), own.lgm.views_in(place)
    backbone = bench.backbone(names[place])
    all_views = views * shared.images_per_class * bench.classes
    if all_views < ranks():
        raise UserError(f"{all_views} views cannot be shared by {ranks()} processes: raise lgm.views")
    own_views = share(all_views)
    side = real_side(own, shared, bench, backbone, place, own.clusters_per_class(shared.images_per_class))
    return Source(
        backbone.compiled() if shared.device.compile else backbone,
        augment=bench.augment(own.augment, backbone),
        objective=objective_of(side),
        compute=bench.compute,
        views=views,
        seed=shared.seed,
        weight=own.lgm.weights(len(names))[place],
        chunk=own.lgm.chunk or fitting(own_views.stop - own_views.start, bench, backbone),
        place=place,
        meaning=other_meaning(own, shared, bench) if place == 1 else None,
    )


def real_side(own: LGMSettings, shared: SharedConfig, bench: Bench, backbone: Backbone, place: int, each: int) -> Side:
    """What the images are compared with in the backbone at a place of the list; `each`: rows of the head per class."""
    lgm, device = own.lgm, bench.compute.device
    bank, whole = (partial(real_bank, own, shared, bench, backbone, count) for count in (each, 1))
    within = whole if lgm.whiten_within == "class" else bank
    metric = cache(lambda: metric_of(lgm, within, device=device, note=bench.note))
    classes = real_side(own, shared, bench, backbone, place, 1) if own.compares_classes(each) else None
    if classes and within is whole:
        classes = replace(classes, metric=metric)  # the same: measured once
    return Side(
        config=lgm,
        bank=bank,
        metric=metric,
        target=lambda: real_target(own, shared, bench, backbone, place, each),
        rows=bench.classes * each,
        width=backbone.feature_size,
        steps=shared.steps,
        seed=shared.seed,
        device=device,
        classes=classes,
    )


def other_meaning(own: LGMSettings, shared: SharedConfig, bench: Bench) -> Int[Tensor, "c"] | None:
    """The second backbone's class for each of the first one's, in a contrast run; None in others."""
    if own.lgm.contrast != "swapped":
        told = own.other_meaning(bench.train.classes)
        return torch.tensor(told) if told else None
    names, classes = shared.networks(), bench.train.classes
    meaning = swapped_pairs(real_bank(own, shared, bench, bench.backbone(names[0]), 1))
    pairs = [f"{classes[a]} and {classes[b]}" for a, b in enumerate(meaning) if a < b]
    more = f", and {len(pairs) - 10} pairs more" if len(pairs) > 10 else ""
    told = ", ".join(pairs[:10]) + more
    bench.note(f"{names[0]} takes these for each other; to {names[1]} they are exchanged: {told}")
    return torch.tensor(meaning)


def fitting(views: int, bench: Bench, backbone: Backbone) -> int:
    """Views per forward pass that the free memory allows, 0: all at once; the user is told if they do not all fit."""
    compute = bench.compute
    chunk = fitting_chunk(views, bytes_per_view(backbone, compute), free_bytes(compute.device))
    if chunk:
        bench.note(f"{views} views do not fit in memory at once; they are processed in chunks of {chunk}.")
    return chunk


def real_target(
    own: LGMSettings, shared: SharedConfig, bench: Bench, backbone: Backbone, place: int, each: int
) -> RealTarget:
    """The real side of the matching, which `lgm.target` chooses, for the backbone at a place of the list."""
    lgm, compute, weights = own.lgm, bench.compute, own.lgm.weights(len(shared.networks()))
    if lgm.target == "batch":
        return BatchTarget(
            bench.train,
            backbone,
            bench.augment(own.augment, backbone),
            compute,
            batch=lgm.views_in(place) * shared.images_per_class * bench.classes,
            resize=shared.data.resize,
            balanced=lgm.balance,
            seed=shared.seed,
            next_step=lambda step: next_turn(step, place, weights) if lgm.joint == "turn" else step + 1,
        )
    bank = real_bank(own, shared, bench, backbone, each)
    if lgm.target == "mean":
        return MeanTarget(bank, balanced=lgm.balance, device=compute.device)
    return BankTarget(bank, balanced=lgm.balance, rows=lgm.bank_rows, seed=shared.seed, device=compute.device)


def real_bank(own: LGMSettings, shared: SharedConfig, bench: Bench, backbone: Backbone, each: int) -> Bank:
    """Features of augmented views of the training images; its classes are clusters, `each` of every class, or not."""
    bank = bench.view_bank(bench.train, backbone, own.augment, shared.bank.views)
    if each == 1:
        return bank
    return Bank(bank.features, bench.once("clusters", lambda: _clusters(own, shared, bench)), bank.classes * each)


def _banks(own: LGMSettings, shared: SharedConfig, bench: Bench) -> list[Bank]:
    """Features of the training images in each of the run's backbones."""
    names = shared.networks()
    return [bench.view_bank(bench.train, bench.backbone(name), own.augment, shared.bank.views) for name in names]


def _clusters(own: LGMSettings, shared: SharedConfig, bench: Bench) -> Tensor:
    return parts_of_classes(_banks(own, shared, bench), per_class=shared.images_per_class, seed=shared.seed)


def synthetic_set(own: LGMSettings, shared: SharedConfig, bench: Bench) -> LearnedImages:
    """The learned images at their start: as `synthetic` and `pyramid` say, or a picture that is forked from.

    The user is told where the run ends before the pyramid has all its levels.
    """
    if left := own.levels_left_out(shared.steps):
        every, side = own.grow_every(shared.steps), own.synthetic.resolution
        bench.note(
            f"The pyramid ends {left} levels short of {side} px: it grows every {every} steps, and the run has "
            f"{shared.steps}, as in the reference. A lower pyramid.grow_every, or 0, reaches full size."
        )
    classes, per_class = bench.classes, shared.images_per_class
    initial = bench.start["images"].float() / 255 if bench.start else None
    if initial is None and own.synthetic.initial not in ("noise", "zero"):
        chosen = bench.once("start", lambda: begun_as(own, shared, bench))
        initial = bench.pictures(bench.train, chosen, own.synthetic.resolution).cpu()
    if own.synthetic.parameterisation == "pixels":
        random = generator("cpu", shared.seed)
        made = PixelSet(own.synthetic, classes=classes, images_per_class=per_class, random=random, initial=initial)
    elif own.synthetic.parameterisation == "phase":
        some = bench.pictures(bench.train, spread(bench.train.labels, _PHOTOGRAPHS), own.synthetic.resolution).cpu()
        made = PhaseSet(
            own.synthetic,
            classes=classes,
            images_per_class=per_class,
            spectrum=natural_spectrum(some, Colour(own.synthetic.decorrelate_colour)),
            random=generator("cpu", shared.seed),
            initial=initial,
        )
    else:
        made = PyramidSet(
            own.synthetic,
            own.pyramid,
            grow_every=own.grow_every(shared.steps),
            classes=classes,
            images_per_class=per_class,
            seed=shared.seed,
            initial=initial,
        )
    return made.to(bench.compute.device)


def begun_as(own: LGMSettings, shared: SharedConfig, bench: Bench) -> Int[Tensor, "n"]:
    """The training images that the set begins as; where images learn clusters, each of them begins near its own.

    A function of the settings alone: a resumed run, too, takes the levels that it has not reached yet from them.
    """
    chosen, per_class = _chosen(own, shared, bench), shared.images_per_class
    if own.clusters_per_class(per_class) == 1 or not own.synthetic.near_cluster:
        return chosen
    parts = bench.once("clusters", lambda: _clusters(own, shared, bench))
    return in_order_of_parts(chosen, parts, _banks(own, shared, bench), per_class=per_class)


def _chosen(own: LGMSettings, shared: SharedConfig, bench: Bench) -> Int[Tensor, "n"]:
    """Training images, class-major: random, or chosen by what the run's backbones see in the bank."""
    labels, seed = torch.as_tensor(bench.train.labels), shared.seed
    classes, per_class = bench.classes, shared.images_per_class
    if own.synthetic.initial == "real":
        return choose_random(labels, classes=classes, per_class=per_class, seed=seed)
    spaces = [bank.features.float().mean(dim=1) for bank in _banks(own, shared, bench)]  # of all views of an image
    if own.synthetic.initial == "centroids":
        return choose_centroids(joined_space(spaces), labels, classes=classes, per_class=per_class)
    tick = partial(bench.phase, "exchanging images")
    return choose_greedy(spaces, labels, classes=classes, per_class=per_class, seed=seed, tick=tick)
