"""All settings of a run, put together and checked. A run is its config: frozen, keyword-only dataclasses.

The command line, the Launch page, validation and `config.json` are all made from these fields, with their units,
limits and help: those that all methods share (base/settings.py), and the groups of each method (methods/*/config.py).

>>> config = RunConfig(dataset="scenes", backbone="mobilenet_v2", steps=250)
>>> from_dict(RunConfig, to_dict(config)) == config
True
"""

from collections.abc import Mapping
from dataclasses import field, make_dataclass, replace
from typing import TYPE_CHECKING, Any

from lgm_core.analysis.catalog import OF_SETS
from lgm_core.backbones.catalog import catalogue_name
from lgm_core.backbones.students.student_names import is_student, student_name
from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.base.settings import ScratchConfig, SharedConfig, joined, taken_apart
from lgm_core.evaluation.protocol import check_protocols, keys_of, transfers
from lgm_core.methods.catalog import METHODS, groups_of_methods, known_method, method_of, own_settings

if TYPE_CHECKING:

    class RunConfig(SharedConfig):
        """One run: what it does, on what, and every setting of it."""

        def __getattr__(self, name: str) -> Any:
            """The groups of the methods: only a method's own files know what is in them."""

else:
    RunConfig = make_dataclass(
        "RunConfig",
        [(name, group, field(default_factory=group)) for name, group in groups_of_methods().items()],
        bases=(SharedConfig,),
        namespace={"__doc__": "One run: what it does, on what, and every setting of it.", "__module__": __name__},
        frozen=True,
        kw_only=True,
    )


# names of settings in earlier versions -> today's; understood in old runs, on the command line, and in links
RENAMED = {f"rcig.{name}": f"scratch.{name}" for name in ("resolution", "width", "depth", "transform", "flip")}
TWO_WIDTHS = {"rcig.width", "scratch.width"}
WHY_NOT_BOTH = (
    "rcig.width is now scratch.width, for all networks: give one of them; for a network of another width, put it in "
    "its name, such as conv:width32"
)


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with today's names in place of those of earlier versions; what has the new name already keeps it.

    Earlier, networks that judge had a width of their own, `scratch.width`, with 0 for that of `rcig.width`. Where both
    are given, the network that distils bears its width in its name: "conv:width32".
    """
    found = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    if found.get("protocol") in ([], ()):  # "what suits each network" of a version with one protocol for each kind
        found["protocol"] = ["paper", "scratch"]
    judges, own = (group if isinstance(group := found.get(name), dict) else {} for name in ("scratch", "rcig"))
    if judges.get("width", 1) == 0:
        del judges["width"]
    backbone = str(found.get("backbone", ""))
    if "width" in judges and "width" in own and backbone.split(":")[0] == "conv":  # the others have no width
        found["backbone"] = f"{backbone}:width{own['width']}"
    _objective_of_today(found.get("lgm"))
    for old, new in RENAMED.items():
        group, name = _place(found, old)
        target, new_name = _place(found, new, make=name in group)
        if name in group and new_name not in target:
            target[new_name] = group[name]
        group.pop(name, None)
    return found


def _objective_of_today(lgm: Any) -> None:
    """`lgm.whiten` was the metric's floor, 0 for none; `lgm.distance` is `lgm.objective`; class numbers are text."""
    if not isinstance(lgm, dict):
        return
    floor = lgm.get("whiten")
    if isinstance(floor, int | float) and not isinstance(floor, bool):
        lgm["whiten"] = "full" if floor else "none"
        if floor:
            lgm.setdefault("whiten_beta", floor)
    if isinstance(given := lgm.get("contrast_classes"), list | tuple):
        lgm["contrast_classes"] = [str(one) if type(one) is int else one for one in given]
    if (distance := lgm.pop("distance", "")) in ("whole", "per_class"):
        lgm.setdefault("objective", "cosine" if distance == "whole" else "cosine-per-class")


def _place(values: dict[str, Any], dotted: str, make: bool = False) -> tuple[dict[str, Any], str]:
    """The group that a dotted name lies in, and its name there; an empty group where there is none."""
    *groups, name = dotted.split(".")
    for group in groups:
        inner = values.setdefault(group, {}) if make else values.get(group, {})
        if not isinstance(inner, dict):
            return {}, name
        values = inner
    return values, name


def given_config(values: Mapping[str, Any]) -> RunConfig:
    """The config of nested values that somebody gave: limits are checked, networks get the catalogue's names.

    Configs that are read from disk keep the names they have (`runs/old_configs.py`). Raises `ConfigError`.
    """
    return named_in_full(from_dict(RunConfig, values))


def named_in_full(config: RunConfig) -> RunConfig:
    """A config with the catalogue's names for aliases, which mean the same run."""
    return replace(
        config, backbone=full_name(config.backbone), evaluate_on=tuple(map(catalogue_name, config.evaluate_on)),
        pretrain=replace(config.pretrain, teacher=catalogue_name(config.pretrain.teacher)),
    )  # fmt: skip


def full_name(backbone: str) -> str:
    """The catalogue's names in a config's `backbone`, "A+B" too.

    >>> full_name("mobilenet_v3+clip_vitb")
    'mobilenet_v3_small+clip_vitb16'
    """
    return joined([catalogue_name(name) for name in taken_apart(backbone)])


def validate(config: RunConfig) -> RunConfig:
    """Check all limits, and that the values fit together; return the config with the networks' names in full.

    Raises `ConfigError`.
    """
    config = given_config(to_dict(config))
    if "+" in config.backbone and not all(config.networks()):
        raise ConfigError(f"{config.backbone!r}: a name is missing beside +; write A+B for one set in both backbones")
    if config.kind in ("distill", "baseline", "evaluate"):
        check_students((*config.networks(), *config.evaluate_on, config.pretrain.teacher), config.scratch)
        check_protocols(config)
        _check_named_once(config)
    row = method_of(config)
    if config.kind == "distill":
        if len(config.networks()) > 1 and not row.joint:
            raise ConfigError(
                f"{row.title} distils with one {row.noun} at a time; {' and '.join(config.networks())} were given"
            )
        own_settings(config).check(config)
    _check_sources(config)
    if config.fork_step >= config.steps:
        raise ConfigError(
            f"the fork begins at step {config.fork_step}, but the run ends at {config.steps}; raise steps above it"
        )
    return config


def _check_named_once(config: RunConfig) -> None:
    networks = config.networks()
    twice = [name for place, name in enumerate(networks) if name in networks[:place]]
    if twice:
        raise ConfigError(f"{twice[0]} is named twice in {config.backbone}: name each backbone once")


def is_contrast(config: SharedConfig) -> bool:
    """Does a run distil images that mean different classes to two networks?"""
    return known_method(config) is not None and own_settings(config).is_contrast


def _check_choice(config: RunConfig) -> None:
    """Raise `ConfigError` for a choice of real images that lacks what it is made by."""
    choice = config.baseline.choice if config.kind == "baseline" else ""
    if choice == "indices" and not config.baseline.indices:
        raise ConfigError("the choice indices needs baseline.indices, a file with numbers of training images")
    if choice == "imported" and not method_of(config).published:
        known = [row.title for row in METHODS.values() if row.published]
        raise ConfigError(f"published sets with targets are imported with a preset of {' or '.join(known)}")
    if choice == "high-loss" and not method_of(config).high_loss:
        known = [name for row in METHODS.values() if row.high_loss for name in row.preset_words]
        raise ConfigError(
            f"the hardest images are found by networks that learn a teacher's targets: lgm baseline high-loss DATASET "
            f"conv:instance --preset NAME, one of {', '.join(known)}"
        )
    if choice == "none" and not all(transfers(key.protocol) for key in keys_of(config)):
        raise ConfigError(
            "networks without pre-training are judged by the protocol pretrain alone: lgm baseline none DATASET "
            "conv:instance --protocol pretrain --evaluate-on conv:instance"
        )


def check_students(names: tuple[str, ...], scratch: ScratchConfig) -> None:
    """Raise `ConfigError` for a network trained from scratch that images of `scratch.resolution` px do not fit."""
    side = scratch.resolution
    halved = 32 if side == 28 else side  # grey images of 28 px get a margin first
    for name in filter(is_student, names):
        told = student_name(name)
        depth = told.depth or scratch.depth
        if told.architecture == "vgg" and side < 28:
            raise ConfigError(
                f"{name} halves its images five times and needs 32 px, but scratch.resolution is {side}; use conv, "
                "resnet or alexnet"
            )
        if told.architecture == "conv" and depth and halved % 2**depth:
            raise ConfigError(
                f"{name}: a depth of {depth} halves the images {depth} times, and {side} px cannot be halved so "
                f"often; use a scratch.resolution that {2**depth} divides, or fewer blocks"
            )
        if side % 2 and scratch.kind_of_transform(grey=False) == "block_zca":
            raise ConfigError(
                f"block_zca splits images into four grids, but {side} px is odd; use an even scratch.resolution, "
                "or another scratch.transform"
            )


def _check_sources(config: RunConfig) -> None:
    """Raise `ConfigError` for a run that looks at other runs and names none."""
    if config.kind == "evaluate" and not config.source:
        raise ConfigError("an evaluate run needs a source: the name of the run whose images it evaluates")
    if config.kind in OF_SETS and not config.source:
        raise ConfigError(f"lgm {config.kind} looks at the images of a run: lgm {config.kind} RUN [BACKBONE ...]")
    if config.kind == "evaluate" and not config.evaluate_on:
        raise ConfigError("an evaluate run needs networks to judge with: lgm evaluate RUN NETWORK [NETWORK ...]")
    if config.kind == "baseline" and config.baseline.choice == "neighbours" and not config.source:
        raise ConfigError("the neighbours baseline needs a source: the distilled run whose neighbours are chosen")
    if config.kind == "baseline" and (config.baseline.choice in ("given", "imported")) != bool(config.baseline.folder):
        raise ConfigError(
            "baseline.folder is for the choices given and imported, and only for these: lgm evaluate folder:PATH "
            "NETWORK [NETWORK ...] --dataset DATASET, lgm import PATH DATASET"
        )
    _check_choice(config)
    if config.kind == "align" and len(set(config.evaluate_on)) < 2:
        raise ConfigError(
            "two backbones or more are compared: lgm align DATASET --evaluate-on A B [C ...], or "
            "lgm disagree DATASET A B [C ...]"
        )
