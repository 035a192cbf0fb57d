"""The groups of settings that Linear Gradient Matching reads, and a check that they fit together. Needs no torch.

>>> LGMSettings(lgm=LGMConfig(), augment=AugmentConfig(), synthetic=SyntheticConfig(), pyramid=PyramidConfig())
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgm_core.base.errors import ConfigError
from lgm_core.base.method_settings import MethodSettings
from lgm_core.base.names import require_known
from lgm_core.base.settings import AugmentConfig, SharedConfig
from lgm_core.methods.lgm.config import LGMConfig, PyramidConfig, SyntheticConfig


@dataclass(frozen=True, kw_only=True)
class LGMSettings(MethodSettings):
    """The groups of a run's config that Linear Gradient Matching reads."""

    lgm: LGMConfig
    synthetic: SyntheticConfig
    pyramid: PyramidConfig
    augment: AugmentConfig

    @property
    def side(self) -> int:
        return self.synthetic.resolution

    def of_one_network(self) -> dict[str, Any]:
        """A single backbone has neither turns nor shares, and as many views as `lgm.views`."""
        return {"lgm": {"joint": "turn", "source_weights": (), "source_views": ()}}

    def from_picture(self) -> dict[str, Any]:
        """All levels of the pyramid are there from the first step."""
        return {"pyramid": {"start": self.side}}

    def grow_every(self, steps: int) -> int:
        """Steps between two levels of the pyramid: as asked for, or from the share of the run's steps."""
        if self.pyramid.grow_every:
            return self.pyramid.grow_every
        return max(int(self.pyramid.grow_share * steps / max(self._levels_to_come(), 1)), 1)

    def views_of_a_step(self, images: int, networks: int) -> float:
        """Views that a step looks at: of the backbone whose turn it is, on average, or of all of them."""
        views = [self.lgm.views_in(place) for place in range(networks)]
        counts = (1,) * networks if self.lgm.joint == "all" else self.lgm.weights(networks)
        mean = sum(v * count for v, count in zip(views, counts, strict=True)) / sum(counts)
        return images * mean * self.passes(networks)

    def passes(self, networks: int) -> int:
        """How often a step looks at its views: in all backbones at once, and twice to seek flat minima."""
        return (networks if self.lgm.joint == "all" else 1) * (2 if self.lgm.flat_radius else 1)

    def views_at_once(self, images: int) -> int:
        """Views that a step looks at in one backbone, at most: what memory has to hold, unless in chunks."""
        return max(self.lgm.source_views or (self.lgm.views,)) * images

    def check(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a pyramid that starts too large, or has not a step for each of its levels.

        A `grow_every` that was asked for may leave levels out (`levels_left_out`), as in the reference.
        """
        self._check_objective(shared)
        self._check_contrast(shared)
        side, start = self.synthetic.resolution, self.pyramid.start
        if self.synthetic.parameterisation == "phase" and self.synthetic.initial == "zero":
            raise ConfigError(
                "synthetic.parameterisation phase has no zero image, since its spectrum stays; add --synthetic.initial "
                "noise or real"
            )
        if self.synthetic.parameterisation != "pyramid":
            return
        if start > side:
            raise ConfigError(f"pyramid.start ({start} px) is larger than synthetic.resolution ({side} px)")
        left, due = self.levels_left_out(shared.steps), self._levels_to_come() * self.grow_every(shared.steps)
        if left and not self.pyramid.grow_every:
            raise ConfigError(
                f"the pyramid reaches its full {side} px only at step {due}, but the run has {shared.steps} steps; "
                f"raise steps above {due}, or lower synthetic.resolution"
            )

    def clusters_per_class(self, images_per_class: int) -> int:
        """Rows of the head for each class: one, or one for each of its images."""
        return images_per_class if self.lgm.clusters and self.lgm.target != "batch" else 1

    def compares_classes(self, each: int) -> bool:
        """Are whole classes compared beside their clusters, `each` of every class?"""
        return each > 1 and self.lgm.class_share > 0

    @property
    def is_contrast(self) -> bool:
        return self.lgm.contrast != "none"

    def other_meaning(self, classes: Sequence[str]) -> tuple[int, ...]:
        """The second backbone's class for each of the first one's, in a contrast run; () for `swapped`."""
        lgm, same = self.lgm, list(range(len(classes)))
        if lgm.contrast == "rolled":
            return tuple([*same[1:], *same[:1]])
        if lgm.contrast != "listed":
            return ()
        given = [_number_of(name, classes) for name in lgm.contrast_classes]
        if len(given) == 2:
            meaning = [given[1 - given.index(place)] if place in given else place for place in same]
        else:
            meaning = given
        if sorted(meaning) != same or meaning == same:
            raise ConfigError(
                f"lgm.contrast-classes must name two classes to exchange, or for each of the {len(classes)} classes of "
                "the data set, in their order, the one that it means to the second backbone, each once; "
                f"{', '.join(lgm.contrast_classes)} was given"
            )
        return tuple(meaning)

    def _check_contrast(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for a contrast that is not between two backbones, or whose classes are no exchange."""
        contrast, given = self.lgm.contrast, self.lgm.contrast_classes
        if (contrast == "listed") != bool(given):
            raise ConfigError("lgm.contrast listed and lgm.contrast-classes belong together: give both, or neither")
        if len(set(given)) < len(given) or len(given) == 1:
            raise ConfigError(
                f"lgm.contrast-classes must name two classes or more, each once; {', '.join(given)} was given"
            )
        if contrast != "none" and len(shared.networks()) != 2:
            raise ConfigError(
                f"lgm.contrast is between two backbones, A+B; {' and '.join(shared.networks())} was given"
            )
        if contrast != "none" and self.clusters_per_class(shared.images_per_class) > 1:
            raise ConfigError(
                "lgm.contrast gives each class as a whole another meaning, and cannot have its clusters: add "
                "--no-lgm.clusters, or one image per class"
            )

    def _check_objective(self, shared: SharedConfig) -> None:
        """Raise `ConfigError` for settings of the objective that cannot be had, or would change nothing."""
        from lgm_core.methods.lgm.presets import ABLATIONS, PRESETS  # which name this class

        lgm, sources = self.lgm, len(shared.networks())
        at = "objective ridge" if lgm.objective == "ridge" else f"target {lgm.target}"
        whitens = lgm.whiten in ("diagonal", "full")
        if lgm.target == "batch" and (whitens or lgm.objective == "ridge"):
            asked, instead = ("objective ridge", "cosine") if lgm.objective == "ridge" else ("whiten", "none")
            raise ConfigError(
                f"lgm.{asked} needs the bank of real features, which lgm.target batch does not have; add "
                f"--lgm.{asked.split()[0]} {instead}"
            )
        if lgm.objective == "ridge" and whitens:
            raise ConfigError(
                f"lgm.whiten {lgm.whiten} is a metric for gradients, which lgm.objective ridge has not; add "
                "--lgm.whiten none"
            )
        if lgm.head_steps and (lgm.target != "bank" or lgm.objective == "ridge"):
            raise ConfigError(
                f"lgm.head-steps trains random heads on the bank, which lgm.{at} has not; add --lgm.target bank and an "
                "objective that compares gradients, or --lgm.head-steps 0"
            )
        for name, given in (("views", lgm.source_views), ("weights", lgm.source_weights)):
            if given and len(given) != sources:
                raise ConfigError(
                    f"lgm.source-{name} has {len(given)} value{'s' if len(given) > 1 else ''} for {sources} "
                    f"backbone{'s' if sources > 1 else ''}: give one for each, in their order"
                )
        if lgm.average and lgm.averages_from(shared.steps) == shared.steps:
            raise ConfigError(
                f"lgm.average {lgm.average:g} of {shared.steps} steps is not one step: give {1 / shared.steps:.2g} or "
                "more, or leave it out"
            )
        if shared.variant not in ABLATIONS:  # what an ablation takes away leaves the settings of it without effect
            self._refuse_idle(at, sources, PRESETS.get(shared.preset, {}))

    def _refuse_idle(self, at: str, sources: int, preset: Mapping[str, Any]) -> None:
        """Raise `ConfigError` for a value, neither the default nor the preset's, that would change nothing.

        Not asked are `views` and `clusters`, which efforts set, and whose defaults are the values in question.
        """
        lgm, synthetic = self.lgm, self.synthetic
        usual = {"lgm": LGMConfig(), "synthetic": SyntheticConfig(), "pyramid": PyramidConfig()}
        ridge = lgm.objective == "ridge"
        metric = lgm.whiten != "none" and not ridge and lgm.target != "batch"
        whole = ("a metric", "add --lgm.whiten full")
        if ridge or lgm.target == "batch":
            whole = (f"the metric that lgm.{at} has not", f"choose another {at.split()[0]}")
        real_side = (not ridge, "the real gradient that lgm.objective ridge has not", "choose another objective")
        read = {
            **dict.fromkeys(("lgm.joint", "lgm.source_weights"),
                            (sources > 1, "several backbones, A+B", "name several")),
            **dict.fromkeys(("lgm.target", "lgm.balance"), real_side),
            "lgm.head_std": (lgm.target != "mean" and not ridge, f"the random heads that lgm.{at} has not",
                             "add --lgm.target bank"),
            "lgm.head_rate": (lgm.head_steps > 0, "heads that are trained", "add --lgm.head-steps"),
            "lgm.bank_rows": (lgm.target == "bank" and not ridge, f"the rows in each step that lgm.{at} does not draw",
                              "add --lgm.target bank"),
            **dict.fromkeys(("lgm.whiten_power", "lgm.whiten_beta", "lgm.whiten_beta_end", "lgm.real_power"),
                            (metric, *whole)),
            **dict.fromkeys(("lgm.ridge_lambda", "lgm.ridge_temperature"),
                            (ridge, "the ridge that another objective has not", "add --lgm.objective ridge")),
            "synthetic.noise_scale": (synthetic.initial == "noise" and synthetic.parameterisation != "phase",
                                      "initial noise", "add --synthetic.initial noise and no phases"),
            "pyramid.fine_rate": (synthetic.parameterisation == "pyramid", "a pyramid",
                                  "add --synthetic.parameterisation pyramid"),
        }  # fmt: skip
        for name, (is_read, without, instead) in read.items():
            group, own = name.split(".")
            value, default = getattr(getattr(self, group), own), getattr(usual[group], own)
            if not is_read and value not in (default, preset.get(group, {}).get(own, default)):
                raise ConfigError(
                    f"{name.replace('_', '-')} changes nothing without {without}: leave it out, or {instead}"
                )

    def levels_left_out(self, steps: int) -> int:
        """Levels of the pyramid that a run of so many steps ends before; 0 where it reaches its full size."""
        if self.synthetic.parameterisation != "pyramid":
            return 0
        return max(self._levels_to_come() - (steps - 1) // self.grow_every(steps), 0)

    def _levels_to_come(self) -> int:
        return sum(side > self.pyramid.start for side in self.synthetic.level_sides())


def _number_of(name: str, classes: Sequence[str]) -> int:
    """The number of a class that is given by its name, or by its number. Raises `UnknownName`."""
    if name not in classes and name.isdecimal() and int(name) < len(classes):
        return int(name)
    require_known(name, classes, "class")
    return list(classes).index(name)
