"""A study: a named set of runs that together fill a table, distilled with x evaluated with, and the baselines.

Networks that are trained from scratch have no features by which real images could be chosen: centroids and neighbours
are planned for frozen backbones only, random images and all of them always.

>>> plan = plan_study(preset("preview", name="demo", backbone="mobilenet_v2"), StudyFlags(seeds=1, draws=2))
>>> [config.name for config in plan]
['demo-lgm-mobilenet_v2-s0', 'demo-random-s0', 'demo-random-s1', 'demo-centroids-mobilenet_v2', ...]
"""

from dataclasses import dataclass, replace
from itertools import product

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import from_dict, knob, to_dict
from lgm_core.base.names import file_name
from lgm_core.base.real_settings import BY_ACCURACY, BaselineConfig
from lgm_core.base.settings import all_but_one, taken_apart
from lgm_core.config import RunConfig
from lgm_core.jobs.sending import ClusterFlags
from lgm_core.methods.catalog import method_of, own_settings
from lgm_core.presets import change


@dataclass(frozen=True, kw_only=True)
class StudyFlags(ClusterFlags):
    """What a study asks beyond the config that its runs share."""

    distil_with: tuple[str, ...] = knob((), "backbones to distil with, one after another; A+B: one set in both")
    seeds: int = knob(3, "distillations per backbone", low=1)
    draws: int = knob(5, "random choices of real images", low=1)
    baselines: bool = knob(True, "add random and all real images; on frozen backbones also centroids and neighbours")
    leave_one_out: bool = knob(
        False, "of three or more backbones: instead of a set for each, one in all of the others, which it can only read"
    )
    sizes: tuple[int, ...] = knob(
        (), "images per class, one number after another: every set and every choice at each of them", low=1, high=1000
    )
    ablate: bool = knob(False, "also distil without each part of the method, one after another (the paper's ablations)")
    rivals: bool = knob(
        False,
        "add the strongest choices of real images: best of 200 draws, a greedy one, and, of several images per class, "
        "herding and k-centres, by the backbones that distil",
    )


def plan_study(base: RunConfig, flags: StudyFlags) -> list[RunConfig]:
    """The runs of a study, in an order in which every run finds its source finished. `base.name` names the study.

    One distillation per backbone and seed, `draws` random choices, each frozen evaluating backbone's centroids, the
    rivals (those chosen by accuracy once per seed), the neighbours of each distilled set, and the full data. Everything
    is evaluated on `base.evaluate_on` (default: all of `distil_with`). The neighbours are those in the backbone that
    the set was distilled with, or, of a set that a network was trained on from scratch, those in each frozen evaluating
    backbone. Settings that say how several networks are joined are left out for the sets of one. With several `sizes`,
    all of this at each number of images per class, but for the full data, which is there once.
    """
    flags, study = from_dict(StudyFlags, to_dict(flags)), base.name
    if not study:
        raise ConfigError("a study needs a name: lgm study NAME DATASET --distil-with BACKBONE [BACKBONE ...]")
    distil_with = flags.distil_with or (base.backbone,)
    each = dict.fromkeys(name for given in distil_with for name in replace(base, backbone=given).networks())
    base = replace(base, study=study, evaluate_on=base.evaluate_on or tuple(each))
    if flags.leave_one_out:
        distil_with = _others(tuple(each), base)
    plans = [_of_count(replace(base, images_per_class=count), flags, distil_with) for count in flags.sizes]
    return _one_after_another(plans) if plans else _of_count(base, flags, distil_with)


def _others(backbones: tuple[str, ...], base: RunConfig) -> tuple[str, ...]:
    """What is left where each in turn takes no part. Raises `ConfigError` where that is no set of several."""
    row = method_of(base)
    if not row.joint:
        raise ConfigError(
            f"{row.title} learns a set in one network, so none can be left out; leave --leave-one-out out"
        )
    if len(backbones) < 3:
        told = ", ".join(backbones)
        raise ConfigError(
            f"--leave-one-out wants three backbones or more, so that two are left to learn in; {told} "
            f"{'was' if len(backbones) == 1 else 'were'} given: --distil-with A B C"
        )
    return tuple(all_but_one(backbones))


def _one_after_another(plans: list[list[RunConfig]]) -> list[RunConfig]:
    """The plans of several numbers of images, whose runs bear the number; all real images are those of the first."""
    found: dict[str, RunConfig] = {}
    for plan in plans:
        for config in plan:
            if (config.kind, config.baseline.choice) == ("baseline", "full"):
                found.setdefault(config.name, config)
                continue
            end = f"-{config.images_per_class}pc"
            source = config.source and config.source + end
            found[config.name + end] = replace(config, name=config.name + end, source=source)
    return list(found.values())


def _of_count(base: RunConfig, flags: StudyFlags, distil_with: tuple[str, ...]) -> list[RunConfig]:
    """All runs with as many images per class as `base` says."""
    study, plan = base.study, []
    mixed = len({len(taken_apart(backbone)) for backbone in distil_with}) > 1
    for backbone, seed in product(distil_with, range(base.seed, base.seed + flags.seeds)):
        name = _name(study, base.method, backbone, f"s{seed}")
        config = replace(base, backbone=backbone, seed=seed, name=name)
        alone = mixed and len(config.networks()) == 1
        plan.append(change(config, own_settings(config).of_one_network()) if alone else config)
    ablated = [made for config in plan for made in ablations(config)] if flags.ablate else []
    return plan + ablated + (_baselines(base, flags, plan) if flags.baselines else [])


def ablations(config: RunConfig) -> list[RunConfig]:
    """A distillation again, with one part of its method less at a time. Raises `ConfigError` where it has none."""
    row, made = method_of(config), []
    if not row.ablations:
        raise ConfigError(f"{row.title} has no ablations; leave --ablate out")
    for words, changes in row.ablations.items():
        changes = changes(own_settings(config)) if callable(changes) else changes
        varied = change(config, dict(changes), {"variant": words, "name": f"{config.name}-{file_name(words)}"})
        if to_dict(varied) | {"variant": "", "name": ""} != to_dict(config) | {"variant": "", "name": ""}:
            made.append(varied)
    return made


def _baselines(base: RunConfig, flags: StudyFlags, distilled: list[RunConfig]) -> list[RunConfig]:
    """Choices of real images to compare the distilled sets with."""
    study, chosen, first = base.study, replace(base, kind="baseline"), distilled[0].backbone
    plan = [
        _baseline(chosen, "random", backbone=first, seed=seed, name=_name(study, "random", f"s{seed}"))
        for seed in range(base.seed, base.seed + flags.draws)
    ]
    frozen = [name for name in base.evaluate_on if not is_student(name)]
    for backbone in frozen:
        plan.append(_baseline(chosen, "centroids", backbone=backbone, name=_name(study, "centroids", backbone)))
    together = [name for name in dict.fromkeys(config.backbone for config in distilled) if not is_student(name)]
    for backbone in (name for name in together if len(taken_apart(name)) > 1):
        plan.append(_baseline(chosen, "centroids", backbone=backbone, name=_name(study, "centroids", backbone)))
    rivalled, seeds = together if flags.rivals else [], range(base.seed, base.seed + flags.seeds)
    several = ("herding", "k-centres") if base.images_per_class > 1 else ()  # of one image the same as the centroids
    for backbone, choice in product(rivalled, several):
        plan.append(_baseline(chosen, choice, backbone=backbone, name=_name(study, choice, backbone)))
    for backbone, choice, seed in product(rivalled, BY_ACCURACY, seeds):
        name = _name(study, choice, backbone, *_further(seed, base))
        plan.append(_baseline(chosen, choice, backbone=backbone, seed=seed, name=name))
    for config in distilled:
        trained, seed = is_student(config.backbone), _further(config.seed, base)
        if trained and seed:  # a row of the table names the run whose neighbours it holds
            continue
        for backbone in frozen if trained else (config.backbone,):
            name = _name(study, "neighbours", *([config.backbone] if trained else []), backbone, *seed)
            plan.append(
                _baseline(chosen, "neighbours", backbone=backbone, source=config.name, seed=config.seed, name=name)
            )
    plan.append(_baseline(chosen, "full", backbone=first, name=_name(study, "full")))
    return plan


def _baseline(base: RunConfig, choice: str, **values: object) -> RunConfig:
    return replace(base, baseline=BaselineConfig(choice=choice), **values)  # type: ignore[arg-type]


def _further(seed: int, base: RunConfig) -> list[str]:
    """The seed as a part of a name; nothing for the study's first, which bears the name of studies without seeds."""
    return [] if seed == base.seed else [f"s{seed}"]


def _name(*parts: str) -> str:
    return "-".join(file_name(part, keep=".") for part in parts)
