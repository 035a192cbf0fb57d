"""What made a set of images, in words, as the rows of tables are called.

>>> row_label(preset("preview", backbone="mobilenet_v2"))
'distilled with mobilenet_v2 (preview)'
>>> made = {str(steps): preset("preview", backbone="mobilenet_v2", steps=steps) for steps in (50, 250)}
>>> Labels(made).of(made["50"])
'distilled with mobilenet_v2 (preview), steps 50'
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from lgm_core.base.knobs import words_of
from lgm_core.config import RunConfig, is_contrast
from lgm_core.evaluation.protocol import setting_of
from lgm_core.methods.catalog import METHODS
from lgm_core.reports.balance import told_per_class
from lgm_core.runs.identity import JUDGING

_SAID = {"kind", "method", "backbone", "preset", "variant", "images_per_class", "source", "fork_step", "sources"}
_ASIDE = {"seed", "name", "study", "record", "live", "device", "baseline", "embed", "align", "look", *JUDGING}
_TELLING = [one.name for one in fields(RunConfig) if one.name not in _SAID | _ASIDE]


class Labels:
    """The labels of a table's rows, which tell apart what differs in more than the seed."""

    def __init__(self, configs: Mapping[str, RunConfig]) -> None:
        """`configs`: by run, of the runs that the table is of and of those whose images they judge."""
        self._configs = configs
        alike: dict[str, list[RunConfig]] = {}
        for config in configs.values():
            if config.kind != "evaluate" or config.source not in configs:
                alike.setdefault(row_label(config), []).append(config)
        self._apart = {label: _apart(group) for label, group in alike.items()}

    def of(self, config: RunConfig) -> str:
        """What made the images of a run, and the settings in which that departs from others of the same words."""
        source = self._configs.get(config.source) if config.kind == "baseline" else None
        told = "".join(f", {name} {_words(config, name)}" for name in self._apart.get(row_label(config), ()))
        return row_label(config) + (self._of_source(source) if source else "") + told

    def _of_source(self, source: RunConfig) -> str:
        told = self.of(source).removeprefix(row_label(source)).removeprefix(", ")
        return f" ({told})" if told else ""


def _apart(configs: list[RunConfig]) -> list[str]:
    """The settings that make other images, and in which these differ; not what is held in memory at once."""
    names = ["dataset", "data"] if configs[0].kind == "baseline" else _TELLING
    found = []
    for name in names:
        values = list(dict.fromkeys(getattr(config, name) for config in configs))
        if len(values) > 1 and is_dataclass(values[0]):
            inner = [one.name for one in fields(values[0]) if not one.metadata.get("at_once")]
            inner = [one for one in inner if len({getattr(value, one) for value in values}) > 1]
            found += [f"{name}.{one}" for one in inner if one != "test_per_class"]
        elif len(values) > 1:
            found.append(name)
    row = METHODS.get(configs[0].method) if configs[0].kind == "distill" else None
    return found + [name for name in (row.distils_by if row else ()) if len({_words(c, name) for c in configs}) > 1]


def _words(config: RunConfig, name: str) -> str:
    value = setting_of(config, name)
    return words_of(list(value) if isinstance(value, tuple) else value)


def choice_of(config: RunConfig) -> str:
    """What made the images: "distill", or the way in which real ones were chosen."""
    return config.baseline.choice if config.kind == "baseline" else "distill"


def row_label(config: RunConfig) -> str:
    """What made the images, in words; equal for runs that differ in the seed alone, and for some others: `Labels`."""
    per_class = told_per_class(config)
    together = (" against " if is_contrast(config) else " + ").join(config.networks())
    if config.kind == "baseline":
        return {
            "random": f"random real images{per_class}",
            "centroids": f"centroids of {together}{per_class}",
            "neighbours": f"neighbours of {_whose(config)}, in {together}{per_class}",
            "herding": f"herding in {together}{per_class}",
            "k-centres": f"k-centres of {together}{per_class}",
            "best-random": f"best of random, by {together}{per_class}",
            "greedy": f"greedy choice by {together}{per_class}",
            "high-loss": f"hardest real images{per_class}",
            "indices": f"real images of {Path(config.baseline.indices).name}",
            "full": "all real images",
            "none": "no pre-training",
            "given": f"images of {config.name or config.baseline.folder}",
            "imported": f"published set {config.name or Path(config.baseline.folder).name}",
        }[config.baseline.choice]
    method = METHODS[config.method].by if config.method in METHODS else f" by {config.method}"
    preset = "" if config.preset == "standard" else f" ({config.preset})"
    forked = config.kind == "distill" and config.source
    fork = f", fork of {config.source} after step {config.fork_step}" if forked else ""
    variant = f", {config.variant}" if config.variant else ""
    return f"distilled{method} with {together}{preset}{variant}{per_class}{fork}"


def _whose(config: RunConfig) -> str:
    """The set whose neighbours were chosen: named by its run if its network has no features to say it by."""
    row = METHODS.get(config.method)
    return "the distilled" if row and row.networks == "frozen" else config.source
