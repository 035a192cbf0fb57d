"""One run or one study as a single HTML file: readable offline, printable, with everything inside it.

>>> Path("demo.html").write_text(study_report("demo", store.study("demo")))
>>> Path("run.html").write_text(run_report(run, store.looking_at(run.id)))
"""

import time
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape

from lgm_core.analysis.catalog import INSTRUMENTS
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import result_or_why
from lgm_core.base.names import load
from lgm_core.evaluation.protocol import asked_columns, column_of, judged_by, spread_over, what_is_unlike
from lgm_core.methods.catalog import known_method
from lgm_core.reports.balance import per_class_words
from lgm_core.reports.budget import budget_sentence
from lgm_core.reports.comparison_page import comparison_sections
from lgm_core.reports.confusion import shares, titles_of, worst_classes
from lgm_core.reports.findings import tables
from lgm_core.reports.labels import choice_of, row_label
from lgm_core.reports.live_curves import live_judge, live_keys, live_points
from lgm_core.reports.markup import Series, curve, data, heat_table, page, section, table
from lgm_core.reports.origin import origin
from lgm_core.reports.pictures import as_uri, class_names, frame, labels, pictures
from lgm_core.reports.result_tables import growth_tables, result_tables, sides
from lgm_core.reports.summary import LOWER_BOUND, judge_words, loss_words, tested_on, top1_words
from lgm_core.reports.unfinished import unfinished_words
from lgm_core.reports.unseen import own_report
from lgm_core.runs.example import WORDS
from lgm_core.runs.store import RunFolder

_MOST_TILES = 200
_COLOURS = ("var(--accent)", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")  # of judges; for the colour-blind, too
_MOST_STUDY_RUNS = 8  # most runs whose pictures a study's report shows


def run_report(run: RunFolder, others: Sequence[RunFolder] = (), *, home: str = "") -> str:
    """The report of one run in any state, as far as it has come; `others`: further runs that look at its images."""
    config, judged = run.config(), [run, *others]
    body = _head(run.id, f"{config.dataset}, {row_label(config)}", [run]) + _facts(run)
    images = "" if config.kind in INSTRUMENTS else _pictures(run)
    body += f"<article>{images}{section('Time-lapse', _player(run))}{section('Curves', _curves(run))}</article>"
    note = f"{_note(judged)} {budget_sentence(run)}".strip()
    body += section("Accuracy", _problems(others) + _accuracies(judged), note) + sides(judged)
    body += _classes(run) + _of_method(run) + comparison_sections(run) + _found(judged)
    return page(f"{run.id}: report", body + origin([run]), home=home)


def study_report(name: str, runs: Sequence[RunFolder], *, home: str = "") -> str:
    """The report of a study: its matrix, then the pictures, time-lapse and curves of each distillation."""
    body = (
        _head(name, f"a study of {len(runs)} runs", runs)
        + section("Distilled with, evaluated on", _left(runs) + _problems(runs) + result_tables(runs), _note(runs))
        + growth_tables(runs)
        + sides(runs)
    )
    distilled = [run for run in runs if run.config().kind == "distill"]
    for run in distilled[:_MOST_STUDY_RUNS]:
        inner = _pictures(run, title="") + _player(run, frames=24, width=480) + _curves(run)
        body += f"<article>{section(f'{row_label(run.config())}, seed {run.config().seed}', inner)}</article>"
    if len(distilled) > _MOST_STUDY_RUNS:
        left = len(distilled) - _MOST_STUDY_RUNS
        body += f'<p class="note">{left} further distillations are counted above but not shown.</p>'
    return page(f"{name}: report", body + origin(runs), home=home)


def _left(runs: Sequence[RunFolder]) -> str:
    words = unfinished_words(runs)
    return f'<p class="note">When this was written, {escape(words)}.</p>' if words else ""


def _note(runs: Sequence[RunFolder]) -> str:
    """A sentence on what the accuracies of these runs measure, and on what cannot be compared among them."""
    found = {column_of(report) for run in runs for report in run.eval_reports()}
    judges = found or asked_columns(run.config() for run in runs)
    full = any(choice_of(run.config()) == "full" for run in runs)
    words = f"Top-1 accuracy on real test images of {judged_by(judges)}, given nothing but the images named; mean ± "
    words += f"standard deviation over {spread_over(judges)}."
    words += f" Measured on {tested}." if (tested := tested_on(runs)) else ""
    words += f" {LOWER_BOUND}" if full and any(map(is_student, judges)) else ""
    return f"{words} {what_is_unlike([run.config() for run in runs], sorted(judges))}".strip()


def _head(title: str, subtitle: str, runs: Sequence[RunFolder]) -> str:
    states: dict[str, int] = {}
    for run in runs:
        states[run.status().state] = states.get(run.status().state, 0) + 1
    badges = "".join(
        f'<span class="badge {escape(state)}">{escape(state if count == 1 else f"{count} {state}")}</span>'
        for state, count in states.items()
    )
    when = time.strftime("%d %B %Y, %H:%M")
    known = f'<p class="note">{escape(WORDS)}</p>' if any(run.is_example() for run in runs) else ""
    return f'<h1>{escape(title)}</h1><p class="note">{escape(subtitle)} · written {when}</p>{known}<p>{badges}</p>'


def _facts(run: RunFolder) -> str:
    status, config, own = run.status(), run.config(), own_report(run)
    facts = [("step", f"{min(status.step + 1, status.steps)} of {status.steps}")] if config.kind == "distill" else []
    if own:
        facts = [(f"top-1 on {judge_words(own)}", f"{top1_words(own)} %"), *facts]
        if own["worst_group"] is not None:
            facts.append((f"worst group on {column_of(own)}", f"{100 * own['worst_group']:.1f} %"))
    facts += [("images", str(len(labels(run)) or "none yet")), ("images per class", per_class_words(run))]
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts)
    error = f'<p class="error">{escape(status.error)}</p>' if status.error else ""
    return f'{error}{_problems([run])}<div class="facts">{shown}</div>'


def _problems(runs: Iterable[RunFolder]) -> str:
    """Damaged files that the report had to leave out, and settings of another version."""
    found = [(run, sentence) for run in runs for sentence in (*run.problems(), *run.notes())]
    return "".join(f'<p class="error">{escape(f"{run.id}: {sentence}")}</p>' for run, sentence in found)


def _pictures(run: RunFolder, title: str = "Images") -> str:
    classes, owners = class_names(run), labels(run)
    side, size = (192, 130) if len(owners) <= 50 else (96, 84)
    tiles = []
    for label, picture in zip(owners, pictures(run, side, _MOST_TILES), strict=False):
        name = escape(classes[label] if label < len(classes) else f"class {label}")
        tiles.append(f'<figure><img src="{as_uri(picture)}" alt="{name}"><figcaption>{name}</figcaption></figure>')
    if not tiles:
        return section(title, '<p class="note">No images yet.</p>') if title else ""
    more = f"The first {_MOST_TILES} of {len(owners)}." if len(owners) > _MOST_TILES else ""
    body = f'<div class="tiles" style="--tile-size:{size}px">{"".join(tiles)}</div>'
    return section(title, body, more) if title else body


def _player(run: RunFolder, frames: int = 60, width: int = 640) -> str:
    lines = run.frame_list()
    if len(lines) < 2:
        return ""
    last = len(lines) - 1
    chosen = [lines[index] for index in sorted({round(k * last / (frames - 1)) for k in range(frames)})]
    found = [(line, result_or_why(partial(frame, run, line, width))) for line in chosen]
    uris = [as_uri(picture, quality=70) for _, (picture, _) in found if picture]
    steps = [line["step"] + 1 for line, (picture, _) in found if picture]
    wrong = "".join(f'<p class="error">{escape(why)}</p>' for _, (_, why) in found if why)
    if not uris:
        return wrong
    picked = sorted({round(k * (len(uris) - 1) / 5) for k in range(6)})
    strip = "".join(f"<figure><img data-frame={i}><figcaption>step {steps[i]}</figcaption></figure>" for i in picked)
    return (
        f'<figure class="player" tabindex="0">{data({"steps": steps, "frames": uris})}<img alt="all images at a step">'
        '<div class="controls"><button>Play</button><input type="range" aria-label="step" min="0" '
        f'max="{len(uris) - 1}" value="{len(uris) - 1}"><output></output></div>'
        f'<div class="strip">{strip}</div></figure>{wrong}'
    )


def _curves(run: RunFolder) -> str:
    lines = run.metrics()
    every = max(len(lines) // 300, 1)
    loss = [(line["step"] + 1.0, float(line["loss"])) for line in lines[::every] if "loss" in line]
    config = run.config()
    drawn = curve(f"Loss: {loss_words(config.method)}", [Series(name="loss", points=loss)])
    live = {key: live_judge(key, config.networks()[0]) for key in live_keys(lines)}
    series = [
        Series(name=said, points=live_points(lines, key), colour=_COLOURS[place % len(_COLOURS)])
        for place, (key, said) in enumerate(live.items())
    ]
    title = "Accuracy during the run" + (f", by {series[0].name}" if len(series) == 1 else "")
    drawn += curve(title, series, percent=True)
    return f'<div class="curves">{drawn}</div>' if drawn else ""


def _accuracies(runs: Sequence[RunFolder]) -> str:
    rows = []
    for report in (report for run in runs for report in run.eval_reports()):
        group = "" if report["worst_group"] is None else f"{100 * report['worst_group']:.1f}"
        top5 = "" if report["top5"] is None else f"{100 * report['top5']:.1f}"
        counts = str(report["train_images"]), str(report["test_images"])
        other = f"{100 * report['contrast']['top1_other']:.1f}" if "contrast" in report else ""
        rows.append([judge_words(report), top1_words(report), other, top5, group, *counts])
    headings = ["evaluated on", "top-1, %", "read as the second backbone means them, %", "top-5, %", "worst group, %"]
    headings += ["training images", "test images"]
    for place in (4, 2):
        if not any(row[place] for row in rows):
            headings, rows = [*headings[:place], *headings[place + 1 :]], [[*r[:place], *r[place + 1 :]] for r in rows]
    return table(headings, rows) if rows else ""


def _counts(rows: list[str], counts: list[list[int]], columns: list[str]) -> str:
    cells = [
        (name, [(share, str(count) if count else "·") for share, count in zip(ratios, row, strict=True)])
        for name, ratios, row in zip(rows, shares(counts), counts, strict=True)
    ]
    return heat_table(["", *columns], cells)


def _classes(run: RunFolder) -> str:
    report = own_report(run)
    if report is None:
        return ""
    names = titles_of(report)
    note = f"With {column_of(report)}: how often the class in the row was predicted as the one in the column."
    if len(names) <= 20:
        told = section("Confusion", _counts(names, report["confusion"], names), note)
        if len(groups := [str(name) for name in report["groups"]]) <= 20 and report.get("group_confusion"):
            note = "The same, with the group of the test images in the row."
            told += section("Confusion by group", _counts(groups, report["group_confusion"], names), note)
        return told
    rows = [
        [hard.name, f"{100 * hard.top1:.1f}", ", ".join(f"{name} ({count})" for name, count in hard.taken_for[:3])]
        for hard in worst_classes(report, 15)
    ]
    return section("Worst classes", table(["class", "top-1, %", "confused with"], rows), f"With {column_of(report)}.")


def _of_method(run: RunFolder) -> str:
    """What only the run's method reports; "" where that is nothing."""
    config = run.config()
    row = known_method(config)
    part = row.report_part if row else ""
    found = load(part)(run.details(), run.metrics(), class_names(run), labels(run)) if part else []
    return "".join(section(title, heat_table(headings, rows), note) for title, headings, rows, note in found)


def _found(runs: Sequence[RunFolder]) -> str:
    """What instruments say, of a backbone or of a set."""
    found = (listing for run in runs for listing in tables(run.findings()))
    return "".join(section(title, table(columns, rows)) for title, columns, rows in found)
