"""What further images of a class are worth: accuracy by the number of images per class. Needs no torch.

>>> growth = growths(study_matrix(store.study("grow")))[0]
>>> growth.column, growth.counts, growth.meeting()
('mobilenet_v2', (1, 5, 20), 'The best learned set is ahead of the best choice of real images at 1 and 5, ...')
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lgm_core.evaluation.protocol import judged_by, network_of, spread_over
from lgm_core.reports.matrix import Matrix
from lgm_core.reports.summary import Cell, Row, percent


@dataclass(frozen=True, kw_only=True)
class Growth:
    """One judge's accuracies. `lines`: by way of making or choosing images, then by images per class.

    choices  of each way, "distill" or how real images were chosen
    backbones  with which the images of each way were made or chosen
    full     with all real images, where that is known
    """

    column: str
    lines: Mapping[str, Mapping[int, Cell]]
    choices: Mapping[str, str]
    backbones: Mapping[str, str]
    full: Cell | None

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(sorted({count for line in self.lines.values() for count in line}))

    def best(self, count: int, *, learned: bool) -> float | None:
        """The best accuracy of the learned sets, or of the choices of real images, with so many images per class."""
        ways = [way for way, choice in self.choices.items() if (choice == "distill") == learned]
        return max((self.lines[way][count].mean for way in ways if count in self.lines[way]), default=None)

    def judge_words(self) -> str:
        """Who judged, by what, and what the spread is over."""
        judge, columns = network_of(self.column), [self.column]
        return (
            f"Top-1 accuracy of {judged_by(columns)}: {judge}; mean ± standard deviation over {spread_over(columns)}."
        )

    def meeting(self) -> str:
        """Where the best learned set is ahead of the best choice, and where it no longer is; "" without both."""
        pairs = {count: (self.best(count, learned=True), self.best(count, learned=False)) for count in self.counts}
        known = {count: (ours, real) for count, (ours, real) in pairs.items() if ours is not None and real is not None}
        ahead = [count for count, (ours, real) in known.items() if ours > real]
        others = [count for count in known if count not in ahead]
        if not known:
            return ""
        if not ahead:
            return "At no number of images per class is the best learned set ahead of the best choice of real images."
        words = "The best learned set is ahead of the best choice of real images at "
        return words + (f"{_listed(ahead)} images per class, not at {_listed(others)}." if others else "every number.")


def growths(matrix: Matrix) -> list[Growth]:
    """For each judge, the ways of which it has judged sets of two or more sizes; [] where no way has two."""
    rows = [row for row in matrix.rows if not row.judged and row.choice not in ("full", "none")]
    full = next((row for row in matrix.rows if row.choice == "full"), None)
    found = []
    for column in matrix.columns:
        lines: dict[str, dict[int, Cell]] = {}
        model: dict[str, Row] = {}
        for row in rows:
            if column in row.cells:
                lines.setdefault(row.family, {})[row.per_class] = row.cells[column]
                model.setdefault(row.family, row)
        lines = {way: dict(sorted(line.items())) for way, line in lines.items() if len(line) > 1}
        if lines:
            found.append(
                Growth(
                    column=column,
                    lines=lines,
                    choices={way: model[way].choice for way in lines},
                    backbones={way: model[way].backbone for way in lines},
                    full=full.cells.get(column) if full else None,
                )
            )
    return found


def growth_table(growth: Growth) -> tuple[list[str], list[list[str]]]:
    """Headings and a row of text per way, such as "63.9 ± 1.2" in %; "-" where a set was not judged."""
    headings = ["top-1 by images per class, %", *map(str, growth.counts)]
    told = [[way, *(_told(line.get(count)) for count in growth.counts)] for way, line in growth.lines.items()]
    if growth.full:
        told.append(["all real images", *[_told(growth.full)] * len(growth.counts)])
    return headings, told


def _told(cell: Cell | None) -> str:
    return percent(cell.mean, cell.spread, cell.count) if cell else "-"


def _listed(counts: list[int]) -> str:
    words = list(map(str, counts))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
