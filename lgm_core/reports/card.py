"""Export of a distilled or chosen set: tensors, pictures and a card that says what it is and what may be done with it.

>>> write_export(run, Path("out"))
PosixPath('out')
>>> sorted(path.name for path in Path("out").iterdir())
['README.md', 'config.json', 'images', 'synthetic.safetensors']
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.students.student_names import is_student
from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.knobs import to_dict
from lgm_core.base.names import file_name
from lgm_core.config import RunConfig, is_contrast
from lgm_core.datasets import catalog as datasets
from lgm_core.evaluation.protocol import column_of, judged_by, spread_over
from lgm_core.methods.catalog import known_method
from lgm_core.reports.balance import per_class_words
from lgm_core.reports.command import command_of_run
from lgm_core.reports.labels import row_label
from lgm_core.reports.pictures import class_names, labels, pictures
from lgm_core.reports.summary import judge_words, top1_words
from lgm_core.reports.used_weights import WEIGHTS, weights_rows
from lgm_core.runs.damage import problems_in
from lgm_core.runs.store import RunFolder


def write_export(run: RunFolder, folder: Path, evaluations: Sequence[RunFolder] = ()) -> Path:
    """Write the set of a finished run into `folder`. Raises `UserError` while there are no images.

    `evaluations`: further runs that judged its images, for the card.
    """
    if not run.has_images():
        why = problems_in(tensor_files=[run.synthetic])
        raise UserError(
            f"the run {run.id!r}: {why[0]}"
            if why
            else f"the run {run.id!r} is {run.status().state} and has no images to export yet; let it finish first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.synthetic, folder / run.synthetic.name)
    names, counts = class_names(run), dict[int, int]()
    for label, picture in zip(labels(run), pictures(run), strict=True):
        place = counts[label] = counts.get(label, -1) + 1
        name = plain(names[label]) if label < len(names) else "class"
        path = folder / "images" / f"{label:04d}_{name}" / f"{place:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    (folder / "README.md").write_text(card(run, evaluations))
    facts = {"config": to_dict(run.config()), "environment": run.environment(), "classes": names}
    (folder / "config.json").write_text(json.dumps(facts, indent=1))
    return folder


def export_zip(run: RunFolder) -> bytes:
    """The export as one zip file."""
    return zipped(lambda folder: write_export(run, folder / run.id))


def zipped(write) -> bytes:
    """What `write(folder)` writes, as a zip file. Pictures and tensors are stored as they are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        folder.mkdir()
        write(folder)
        archive = Path(name) / "out.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                small = path.suffix in (".html", ".json", ".md", ".safetensors")
                file.write(path, path.relative_to(folder), zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED)
        return archive.read_bytes()


def card(run: RunFolder, evaluations: Sequence[RunFolder] = ()) -> str:
    """The card, in Markdown: what the images are, what they are worth, how to read and make them, licences."""
    config, owners = run.config(), labels(run)
    reports = [report for judged in (run, *evaluations) for report in judged.eval_reports()]
    accuracies, judges = _accuracies(reports), {column_of(report) for report in reports}
    used = [config, *(judged.config() for judged in evaluations)]
    terms = [f"| {cell(what)} | {cell(licence)} | {cell(source)} |" for what, licence, source in licences(used)]
    names = ", ".join(class_names(run)[:50]) + (", ..." if len(class_names(run)) > 50 else "")
    return "\n".join(
        [
            f"# {cell(run.id)}",
            "",
            f"{len(owners)} images of {len(set(owners))} classes of {cell(config.dataset)}, "
            f"{per_class_words(run)} of each: {cell(row_label(config))}.",
            "",
            f"Classes: {cell(names)}",
            "",
            *([f"Made from {cell(datasets.data_words(config.dataset, data))}.", ""] if (data := run.data()) else ()),
            "## What they are worth",
            "",
            f"Top-1 accuracy on real test images of {judged_by(judges)},",
            f"given these images only; mean ± standard deviation over {spread_over(judges)}.",
            "",
            *(accuracies or ["Not evaluated yet."]),
            "",
            "## Files",
            "",
            f"- `{run.synthetic.name}`: `images` [N, 3, R, R], float32 in [0, 1], RGB; `labels` [N], int64",
            *(["  `other_labels` [N], what each image means to the second backbone"] if is_contrast(config) else ()),
            *(row.card_words if (row := known_method(config)) else ()),
            "- `images/<number>_<class>/<index>.png`: the same as 8-bit pictures",
            "- `config.json`: every setting, the versions, the names of the classes",
            "",
            "```python",
            "from safetensors.torch import load_file",
            f'tensors = load_file("{run.synthetic.name}")',
            "```",
            "",
            "## Made with",
            "",
            "```sh",
            " ".join(command_of_run(run).splitlines()),
            "```",
            "",
            ", ".join(f"{name} {version}" for name, version in run.environment().items()),
            "",
            *_weights([run, *evaluations]),
            "## Licences",
            "",
            "The images derive from the data set, whose terms apply."
            if all(map(is_student, config.networks()))
            else "The images derive from the data set and from the weights; the terms of both apply.",
            "",
            "| of | licence | source |",
            "|---|---|---|",
            *terms,
            "",
        ]
    )


def _weights(runs: Sequence[RunFolder]) -> list[str]:
    """Which weights were used; nothing for runs of earlier versions, which did not record them."""
    rows = [f"| {' | '.join(map(cell, row))} |" for row in weights_rows(runs)]
    return ["## Weights", "", f"| {' | '.join(WEIGHTS)} |", "|---" * len(WEIGHTS) + "|", *rows, ""] if rows else []


def _accuracies(reports: list[dict]) -> list[str]:
    grouped = any(report["worst_group"] is not None for report in reports)
    rows = [["evaluated on", "top-1, %", *(["worst group, %"] if grouped else []), "test images"]]
    for report in reports:
        group = "" if report["worst_group"] is None else f"{100 * report['worst_group']:.1f}"
        rows.append(
            [cell(judge_words(report)), top1_words(report), *([group] if grouped else []), str(report["test_images"])]
        )
    rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows] if reports else []


def licences(configs: Iterable[RunConfig]) -> list[list[str]]:
    """One row for each data set and backbone that the runs use: what, its licence, whom to cite."""
    rows: dict[str, list[str]] = {}
    for config in configs:
        row, _ = result_or_why(partial(datasets.find_row, config.dataset))
        rows[config.dataset] = [getattr(row, "title", config.dataset), *_terms(row)]
        for name in (*config.networks(), *config.evaluate_on):
            if is_student(name):  # has no published weights
                continue
            found, _ = result_or_why(partial(backbones.find_row, name))
            rows[name] = [f"{getattr(found, 'title', name)} ({name})", *_terms(found)]
    return list(rows.values())


def plain(name: str) -> str:
    """A class's name as part of a file's name."""
    return file_name(name)[:60].strip("._") or "class"


def cell(text: str) -> str:
    """A text from disk inside Markdown: one line, nothing of it markup."""
    return "".join(f"\\{letter}" if letter in "|<>`*[]#$" else letter for letter in " ".join(str(text).split()))


def _terms(row) -> list[str]:
    return [row.licence or "not known", row.citation or "not known"] if row else ["not known", "not known"]
