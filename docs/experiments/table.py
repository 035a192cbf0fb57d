"""A study's table as Markdown, for docs/results.md: top-1 in %, mean ± spread; of a study of pairs, its sides.

python docs/experiments/table.py STUDY
"""

import sys

from lgm_core.base.places import places
from lgm_core.reports.allegiance import Side, taken_sides
from lgm_core.reports.summary import result_table, unseen_words
from lgm_core.runs.store import RunStore


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    runs = RunStore(places().runs).study(sys.argv[1])
    if sides := taken_sides(runs):
        print_sides(sides)
        return
    table = result_table(runs)
    print(f"| judged images | how many | {' | '.join(table.columns)} | worst unseen | budget |")
    print(f"|---|---|{'---|' * (len(table.columns) + 2)}")
    for row in table.rows:
        cells = [row.cells.get(name) for name in table.columns]
        shown = [_words(cell.mean, cell.spread) if cell else "-" for cell in cells]
        shown += [unseen_words(row.unseen), row.budget.words if row.budget else ""]
        print(f"| {row.label} | {row.images} | {' | '.join(shown)} |")


def _words(mean: float, spread: float) -> str:
    """In %; one run of a judge that trains nothing has no spread."""
    return f"{100 * mean:.1f}" + (f" ± {100 * spread:.1f}" if spread else "")


def print_sides(sides: list[Side]) -> None:
    """A row per ordered pair: what A and B call by their own meaning, and by the other's; then who sides with A."""
    judges = list(dict.fromkeys(one.judge for one in sides))
    print(
        f"| A | B | A: own, other's | B: own, other's | {' | '.join(judges)} |\n|---|---|{'---|' * (len(judges) + 2)}"
    )
    for pair in dict.fromkeys(one.pair for one in sides):
        found = {one.judge: one for one in sides if one.pair == pair}
        a, b = found[pair[0]], found[pair[1]]
        own = [
            f"{_percent(a.top1.mean)}, {_percent(a.other.mean)}",
            f"{_percent(b.other.mean)}, {_percent(b.top1.mean)}",
        ]
        thirds = [_share(found.get(judge)) for judge in judges]
        print(f"| {pair[0]} | {pair[1]} | {' | '.join([*own, *thirds])} |")


def _share(side: Side | None) -> str:
    return _percent(side.share.mean) if side and side.is_third and side.share else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
