"""What a run learned beside its images, as part of its report: RCIG's labels and temperature.

>>> learned_labels(run)[:38]
'<section><h2>Learned labels</h2><p cla'
"""

from lgm_core.reports.markup import heat_table, section
from lgm_core.reports.pictures import class_names, labels
from lgm_core.runs.store import RunFolder

_MOST = 20  # rows and columns


def learned_labels(run: RunFolder) -> str:
    """A row per image, or per class where there are many images; "" for a method without, or for many classes."""
    last = next(reversed(run.details()), {})
    matrix = last.get("labels", [])
    if not 0 < len(matrix) <= _MOST or len(matrix[0]) > _MOST:
        return ""
    names, owners = class_names(run), labels(run)
    own = owners if last["label_rows"] == "images" and len(owners) == len(matrix) else range(len(matrix))
    across = [_name(names, place) for place in range(len(matrix[0]))]
    rows = [
        (_name(names, label), [(value, "–" if value is None else f"{value:.2f}") for value in row])
        for label, row in zip(own, matrix, strict=True)
    ]
    note = (
        "What a network is trained to give, an image per row, a class per column; it began as 1 at the image's own "
        f"class and 0 elsewhere, less 1 / {len(across)}. Temperature of the outer loss: {last['temperature']:.3g}."
    )
    return section("Learned labels", heat_table(["", *across], rows), note)


def _name(names: list[str], label: int) -> str:
    return names[label] if label < len(names) else f"class {label}"
