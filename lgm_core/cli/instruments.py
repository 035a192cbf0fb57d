"""Verbs that look at one backbone, or at one set of images: runs whose findings `lgm show` and the dashboard print.

>>> layers(["imagenette", "mobilenet_v3_small", "--data.train-per-class", "50"])
0
"""

from collections.abc import Sequence

from lgm_core.cli import compute
from lgm_core.cli.flags import parse_config


def layers(arguments: Sequence[str]) -> int:
    """Sweep over a backbone's layers, how well each tells classes apart: lgm layers DATASET BACKBONE [settings]."""
    return _of_backbone("layers", arguments)


def backbone(arguments: Sequence[str]) -> int:
    """Describe a backbone on a data set, with accuracies, spectrum, cost: lgm backbone DATASET BACKBONE [settings]."""
    return _of_backbone("backbone", arguments)


def _of_backbone(kind: str, arguments: Sequence[str]) -> int:
    config = parse_config(arguments, prog=f"lgm {kind}", positional=("dataset", "backbone"), kind=kind)
    return compute._start_and_work([config])
