"""The verb `allegiance`: sets that mean different classes to two backbones, and with whom the others side.

>>> allegiance(["sides", "scenes", "mobilenet_v2", "resnet18", "tf_efficientnet_lite0"])
0
"""

from collections.abc import Sequence
from dataclasses import replace

from lgm_core.cli import compute
from lgm_core.cli.flags import parse_with
from lgm_core.jobs.pairs import PairFlags, plan_pairs


def allegiance(arguments: Sequence[str]) -> int:
    """See with whom other backbones side, for each pair of these: lgm allegiance NAME DATASET A B C [D ...]."""
    config, flags = parse_with(
        arguments, prog="lgm allegiance", positional=("name", "dataset", "backbones"), extra=PairFlags()
    )
    if not any(word.split("=")[0].replace("_", "-") == "--evaluate-on" for word in arguments):
        config = replace(config, evaluate_on=())
    asked = PairFlags(**flags)
    return compute.shown(compute.start_and_work(plan_pairs(config, asked), asked.cluster), config.name)
