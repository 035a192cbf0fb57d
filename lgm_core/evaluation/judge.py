"""Judge a set of images: by the protocol that a key names, in the network that it names.

>>> judge(bench, config, Judged(images=learned, made=config, run="demo"), keys_of(config)[0])["top1"]
0.861
"""

import time
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Int
from torch import Tensor

from lgm_core.backbones.abstract_bench import Bench
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import LearnedSet
from lgm_core.base.names import load
from lgm_core.base.settings import SharedConfig
from lgm_core.evaluation.catalog import PROTOCOLS
from lgm_core.evaluation.contrast import other_meaning, sides
from lgm_core.evaluation.protocol import Key, transfers


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is judged, and where it comes from.

    images  the set; None: all training images
    chosen  which training images they are, where they were chosen among them
    made    settings of the run that made them, and `run`, its name
    seen    what the protocols of one network share (evaluation/seen.py)
    """

    images: LearnedSet | None
    chosen: Int[Tensor, "n"] | None = None
    made: SharedConfig
    run: str
    seen: dict[tuple[str, str], Any] = field(default_factory=dict)


def _require_classes(judged: Judged, key: Key) -> None:
    """Raise `UserError` where a protocol needs images with class numbers, and the set has none."""
    if PROTOCOLS[key.protocol].transfers or judged.images is None:
        return
    labels = judged.images.labels
    if not len(labels) or int(labels.min()) < 0:
        what = "class numbers" if len(labels) else "images"
        raise UserError(
            f"{judged.run!r} has no {what}, which the protocol {key.protocol} needs; judge it by pre-training: lgm "
            f"evaluate {judged.run} conv:instance --protocol pretrain"
        )


def judge(bench: Bench, config: SharedConfig, judged: Judged, key: Key) -> dict[str, Any]:
    """The report: the key, what was measured (as `probe.score` names it, in [0, 1]), and how long it took.

    Of a contrast set also `contrast`, as `contrast.sides` has it, of the first of several heads.
    """
    began = time.perf_counter()
    _require_classes(judged, key)
    measured = load(PROTOCOLS[key.protocol].judge)(bench, config, judged, key)
    meaning = () if transfers(key.protocol) else other_meaning(judged.images, bench.classes)
    return {
        **key.facts(),
        "classes": list(bench.test.classes),
        "groups": list(bench.test.group_names),
        **measured,
        **({"contrast": sides(measured["confusion"], meaning)} if meaning else {}),
        "seconds": time.perf_counter() - began,
    }
