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
    return config.networks() if by_networks(choice) else ()


def by_networks(choice: str) -> bool:
    """Have networks a say in a choice of real images? In learned ones, "", they do."""
    return choice in ("", *BY_FEATURES, "imported", "high-loss")


def idle_settings(config: RunConfig) -> set[str]:
    """The settings of a run that say nothing of its images: steps of random photographs, the backbone of a folder."""
    if config.kind != "baseline":
        return set()
    made = set() if config.baseline.choice in ("imported", "high-loss") else {"method", "preset"}
    return {"steps", "fork_step"} | made | (set() if took_part(config) else {"backbone"})


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
    """The report that a run is known by, the first of `reports_of`; None without any."""
    return next(iter(reports_of(run)), None)


def reports_of(run: RunFolder) -> list[dict[str, Any]]:
    """The reports of a run: the one that it is known by, then the others, in the order in which it asks for protocols.

    It is known by that of the network that it was made with, else by that of another one: by the protocol that is usual
    for this network, or else the first that the run asks for. A set learned in several networks is known by the worst
    of those that took no part, where there are any.
    """
    found = run.eval_reports()
    if not found:
        return []  # its config is not read: of ten thousand runs that would take ten seconds
    config = run.config()
    asked = {name: place for place, name in enumerate(config.protocol)}
    reports = sorted(found, key=lambda report: asked.get(protocol_of(column_of(report)), len(asked)))
    known = _known_by(reports, config.networks())
    return sorted(reports, key=lambda report: report is not known)


def _known_by(reports: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """`reports`: one or more, those by the first protocol first."""
    usual = [report for report in reports if column_of(report) == report["backbone"]]
    if len(names) > 1:
        first = protocol_of(column_of(reports[0]))
        alike = usual or [report for report in reports if protocol_of(column_of(report)) == first]
        held_out = [report for report in alike if report["backbone"] not in names]
        return min(held_out or alike, key=lambda report: report["top1"])
    own = [report for report in reports if report["backbone"] in names] or reports
    return next((report for report in own if column_of(report) in names), own[0])


UNSEEN_WORDS = (
    "Worst unseen: run by run the worst of the backbones that took no part in making or choosing the images (of N), "
    "by one protocol, the usual one where it judged; mean and spread over runs."
)
