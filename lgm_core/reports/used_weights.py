"""Which weights runs worked with: file, digest, source, precision; and what stood in for published ones.

>>> weights_rows([run])
[['clip_vitb16', 'clip_vitb16_openai_int8.safetensors (int8, de-quantised)', '5d1f0c3a9e77', 'local file', 'float32']]
"""

from collections.abc import Iterable

from lgm_core.runs.store import RunFolder

WEIGHTS = ("network", "weights", "SHA-256 begins with", "source", "computed in")


def weights_rows(runs: Iterable[RunFolder]) -> list[list[str]]:
    """A row for each network and file, without repetition; [] for runs of versions that did not record them."""
    rows: dict[tuple[str, ...], None] = {}
    for run in runs:
        for network, facts in run.weights().items():
            file, digest, source, stand_in, precision = (
                str(facts.get(name, "")) for name in ("file", "sha256", "source", "stand_in", "precision")
            )
            rows[network, f"{file} ({stand_in})" if stand_in else file, digest[:12], source, precision] = None
    return [list(row) for row in rows]
