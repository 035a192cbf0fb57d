"""Verbs that look at one backbone, or at one set of images: runs whose findings `lgm show` and the dashboard print.

>>> layers(["imagenette", "mobilenet_v3_small", "--data.train-per-class", "50"])
0
"""

from collections.abc import Sequence
from dataclasses import replace

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.cli import compute
from lgm_core.cli.flags import parse_changes, parse_run
from lgm_core.presets import change, preset
from lgm_core.runs.store import RunStore


def layers(arguments: Sequence[str]) -> int:
    """Sweep over a backbone's layers, how well each tells classes apart: lgm layers DATASET BACKBONE [settings]."""
    return _of_backbone("layers", arguments)


def backbone(arguments: Sequence[str]) -> int:
    """Describe a backbone on a data set, with accuracies, spectrum, cost: lgm backbone DATASET BACKBONE [settings]."""
    return _of_backbone("backbone", arguments)


def patches(arguments: Sequence[str]) -> int:
    """Show what backbones see in a run's images, patch by patch: lgm patches RUN [BACKBONE ...] [settings]."""
    return _of_set("patches", arguments)


def style(arguments: Sequence[str]) -> int:
    """Look at the style and robustness of a run's images, and for copies: lgm style RUN [BACKBONE ...] [settings]."""
    return _of_set("style", arguments)


def _of_set(kind: str, arguments: Sequence[str]) -> int:
    words = list(arguments)
    end = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    if not end and not {"-h", "--help"} & set(words):
        raise UserError(f"which run's images? lgm {kind} RUN [BACKBONE ...]")
    if not end:
        parse_changes(words, prog=f"lgm {kind} RUN [BACKBONE ...]", base=preset("standard"))
    source = RunStore(places().runs).open(words[0])
    base = replace(source.config(), name="", study="")
    config, cluster = parse_changes(words[end:], prog=f"lgm {kind} {source.id}", base=base)
    asked = tuple(words[1:end]) or config.networks()
    settings = {"kind": kind, "source": source.id, "evaluate_on": asked, "fork_step": 0}
    return compute.start_and_work([change(config, settings)], cluster)


def _of_backbone(kind: str, arguments: Sequence[str]) -> int:
    config, cluster = parse_run(arguments, prog=f"lgm {kind}", positional=("dataset", "backbone"), kind=kind)
    return compute.start_and_work([config], cluster)
