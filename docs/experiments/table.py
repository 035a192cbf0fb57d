"""A study's table as Markdown, for docs/results.md: top-1 in %, mean ± spread.

python docs/experiments/table.py STUDY
"""

import sys

from lgm_core.base.places import places
from lgm_core.reports.summary import result_table, unseen_words
from lgm_core.runs.store import RunStore


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table = result_table(RunStore(places().runs).study(sys.argv[1]))
    print(f"| judged images | how many | {' | '.join(table.columns)} | worst unseen | budget |")
    print(f"|---|---|{'---|' * (len(table.columns) + 2)}")
    for row in table.rows:
        cells = [row.cells.get(name) for name in table.columns]
        shown = [f"{100 * cell.mean:.1f} ± {100 * cell.spread:.1f}" if cell else "-" for cell in cells]
        shown += [unseen_words(row.unseen), row.budget.words if row.budget else ""]
        print(f"| {row.label} | {row.images} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
