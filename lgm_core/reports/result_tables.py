"""The results of a study as HTML: as they are, then relative to all real images; whose side contrast sets take; what
further images of a class are worth.

>>> result_tables(store.study("demo"))
'<div class="wide"><table class="matrix">...'
"""

from collections.abc import Sequence
from html import escape

from lgm_core.reports.allegiance import aim_words, side_table, taken_sides
from lgm_core.reports.growth import growth_table, growths
from lgm_core.reports.markup import heat_table, section, table
from lgm_core.reports.matrix import study_matrix
from lgm_core.reports.summary import column_heading, percent, result_table, unseen_words
from lgm_core.reports.unseen import UNSEEN_WORDS, tells_unseen
from lgm_core.runs.store import RunFolder


def result_tables(runs: Sequence[RunFolder]) -> str:
    """Accuracies, the worst judge that took no part, and the budget of each row; a sentence where there is none yet."""
    found = result_table(runs)
    full = next((row for row in found.rows if row.label == "all real images"), None)
    parts, told = [], tells_unseen(found.rows)
    for relative in (False, True) if full else (False,):
        rows = []
        for row in found.rows:
            cells: list[tuple[float | None, str]] = []
            for name in found.columns:
                cell, base = row.cells.get(name), full.cells.get(name) if full else None
                if cell is None or (relative and (base is None or not base.mean)):
                    cells.append((None, "–"))
                elif relative and base:
                    cells.append((cell.mean / base.mean, f"{100 * cell.mean / base.mean:.1f}"))
                else:
                    cells.append((cell.mean, percent(cell.mean, cell.spread, cell.count)))
            if not relative:
                cells += [(row.unseen.mean if row.unseen else None, unseen_words(row.unseen))] if told else []
                cells.append((None, row.budget.words if row.budget else ""))
            rows.append((f"{row.label} ({row.images})", cells))
        head = ["relative to all real images, %" if relative else "top-1, %"]
        head += [column_heading(found.rows, name) for name in found.columns]
        head += [] if relative else [*(["worst unseen"] if told else []), "budget"]
        parts.append(heat_table(head, rows))
    parts += [f'<p class="note">{UNSEEN_WORDS}</p>'] if told else []
    return "<br>".join(parts) if found.rows else '<p class="note">No result yet.</p>'


def growth_tables(runs: Sequence[RunFolder]) -> str:
    """A section: accuracy by the number of images per class, a table a judge; "" where every way has one size."""
    found = growths(study_matrix(runs))
    told = [f"<p>{escape(one.judge_words())} {escape(one.meeting())}</p>{table(*growth_table(one))}" for one in found]
    return section("Accuracy against images per class", "".join(told)) if told else ""


def sides(runs: Sequence[RunFolder]) -> str:
    """A section: whose meaning each judge finds in the contrast sets of these runs; "" where there are none."""
    found = taken_sides(runs)
    return section("Whose side do the others take?", table(*side_table(found)), aim_words(found)) if found else ""
