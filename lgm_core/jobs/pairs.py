"""A study of pairs: for each ordered pair of backbones a set that means one class to the first, another to the second.

>>> plan = plan_pairs(preset("preview", name="sides", dataset="scenes"), PairFlags(backbones=("a", "b", "c")))
>>> [config.name for config in plan][:2]
['sides-a-against-b-s0', 'sides-a-against-c-s0']
"""

from dataclasses import dataclass, replace
from itertools import permutations

from lgm_core.base.errors import ConfigError
from lgm_core.base.knobs import from_dict, knob, to_dict
from lgm_core.base.names import file_name
from lgm_core.base.settings import joined
from lgm_core.config import RunConfig, is_contrast
from lgm_core.jobs.sending import ClusterFlags
from lgm_core.methods.catalog import method_of
from lgm_core.presets import change


@dataclass(frozen=True, kw_only=True)
class PairFlags(ClusterFlags):
    """What a study of pairs asks beyond the config that its runs share."""

    backbones: tuple[str, ...] = knob((), "backbones of which each ordered pair distils one set, judged by all of them")
    seeds: int = knob(1, "sets per ordered pair", low=1)


def plan_pairs(base: RunConfig, flags: PairFlags) -> list[RunConfig]:
    """The runs, all pairs of one seed before the next seed, so that the whole table has figures early.

    Both orders of a pair are there: exchanged, they control for what each backbone can be told at all. The classes are
    assigned as `base` says, or else as the method does it. Further judges may be in `base.evaluate_on`. Raises
    `ConfigError` where a method makes no such sets.
    """
    flags, names = from_dict(PairFlags, to_dict(flags)), tuple(dict.fromkeys(flags.backbones))
    if not base.name or len(names) < 2:
        raise ConfigError(
            "a study of pairs needs a name and two backbones or more: lgm allegiance NAME DATASET BACKBONE BACKBONE "
            "[BACKBONE ...]"
        )
    row = method_of(base)
    if not row.contrast:
        raise ConfigError(f"{row.title} makes no sets that mean different classes to two networks")
    if not is_contrast(base):
        base = change(base, dict(row.contrast))
    judges = tuple(dict.fromkeys([*names, *base.evaluate_on]))
    return [
        replace(
            base, study=base.name, backbone=joined(pair), evaluate_on=judges, seed=base.seed + seed,
            name=f"{base.name}-{'-against-'.join(file_name(one, keep='.') for one in pair)}-s{base.seed + seed}",
        )
        for seed in range(flags.seeds) for pair in permutations(names, 2)
    ]  # fmt: skip
