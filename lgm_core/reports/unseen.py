"""How good a set is where nobody looked while it was made: the worst judge that took no part. Needs no torch.

>>> worst_unseen(config, [{"mobilenet_v2": 0.93, "dinov2_vits14": 0.94}], ["mobilenet_v2", "dinov2_vits14"])
Unseen(mean=0.93, spread=0.0, count=1, judges=('mobilenet_v2', 'dinov2_vits14'), worst='mobilenet_v2')
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.real_settings import BY_FEATURES
from lgm_core.config import RunConfig, is_contrast
from lgm_core.evaluation.catalog import usual_protocol
from lgm_core.evaluation.protocol import column_of, network_of, protocol_of
from lgm_core.runs.store import RunFolder

_LEAST = 2  # the worst of a single judge is that judge


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Top-1 in [0, 1] in the worst of `judges`, found run by run: mean and population standard deviation over `count`
    runs. `worst`: the judge that was the worst most often.
    """

    mean: float
    spread: float
    count: int
    judges: tuple[str, ...]
    worst: str


def took_part(config: RunConfig) -> tuple[str, ...]:
    """The networks that a run's images were learned in, or chosen by; () where none had a say."""
    choice = config.baseline.choice if config.kind == "baseline" else ""
    if choice and choice not in (*BY_FEATURES, "imported", "high-loss"):
        return ()
    return config.networks()


def comparable_judges(columns: Iterable[str]) -> dict[str, str]:
    """Columns of frozen backbones that judge by one protocol, with their networks: by the usual one, else the first.

    An accuracy of networks that are trained from scratch says something else, and is never mixed with these.
    """
    frozen = [name for name in columns if not is_student(network_of(name))]
    protocols = [protocol_of(name) for name in frozen]
    usual = usual_protocol("")
    chosen = usual if usual in protocols else next(iter(protocols), "")
    return {name: network_of(name) for name in frozen if protocol_of(name) == chosen}


def worst_unseen(config: RunConfig, found: Iterable[Mapping[str, float]], judges: Sequence[str]) -> Unseen | None:
    """Over the runs of one row, `found` by network; None below two judges that took no part.

    A run counts where all of these judges have judged it: the worst of fewer would seem better than it is. Sets that
    mean different classes to two networks have no accuracy that could be the worst.
    """
    unseen = tuple(name for name in dict.fromkeys(judges) if name not in took_part(config))
    if len(unseen) < _LEAST or is_contrast(config):
        return None
    lowest = [min((one[name], name) for name in unseen) for one in found if all(name in one for name in unseen)]
    if not lowest:
        return None
    values = [value for value, _ in lowest]
    return Unseen(
        mean=fmean(values), spread=pstdev(values), count=len(values), judges=unseen,
        worst=Counter(name for _, name in lowest).most_common(1)[0][0],
    )  # fmt: skip


def tells_unseen(rows: Iterable[Any]) -> bool:
    """Is the worst judge that took no part known of a learned set among these rows? Else it tells nothing."""
    return any(row.unseen for row in rows if row.choice == "distill")


def own_report(run: RunFolder) -> dict[str, Any] | None:
    """The report that a run is known by; None without any.

    That of the network that it was made with, else its first one. A set learned in several networks is known by the
    worst of those that took no part, where there are any.
    """
    reports = run.eval_reports()
    if not reports:
        return None
    names = run.config().networks()
    if len(names) > 1:
        usual = [report for report in reports if column_of(report) == report["backbone"]] or reports
        held_out = [report for report in usual if report["backbone"] not in names]
        return min(held_out or usual, key=lambda report: report["top1"])
    own = [report for report in reports if report["backbone"] in names] or reports
    return next((report for report in own if column_of(report) in names), own[0])  # the headline, where it is there


UNSEEN_WORDS = (
    "Worst unseen: run by run the worst of the backbones that took no part in making or choosing the images (of N), "
    "by one protocol, the usual one where it judged; mean and spread over runs."
)
