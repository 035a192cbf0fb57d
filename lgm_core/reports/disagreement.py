"""Where backbones disagree, as an align run wrote it down: read without torch, a slice of the files at a time.

Legend: V backbones, N images compared, K neighbours listed. Rows are places 0..N-1 in the run's own order.

>>> found = open_disagreement(run)
>>> found.shared("mobilenet_v2", "dinov2_vits14", k=10)  # [N], share of common neighbours
array([0.3, 0.1, ...])
>>> found.torn("mobilenet_v2", "dinov2_vits14")[0]["members"]  # rows of a group that the first alone holds together
[17, 803, ...]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from lgm_core.reports.matrix import config_of
from lgm_core.runs.damage import problems_in
from lgm_core.runs.store import RunFolder

WORDS = {
    "cka": "Linear CKA", "cka_debiased": "CKA, debiased", "rsa": "RSA", "procrustes": "Procrustes",
    "mutual_knn": "Mutual k-NN", "cknna": "CKNNA", "consensus": "Consensus",
}  # fmt: skip
OTHERS = "others"  # in the place of a backbone's name: all the others


@dataclass(frozen=True, kw_only=True)
class ClassShare:
    """The images of one class: how many, their mean share of common neighbours, and its standard error."""

    label: int
    images: int
    mean: float
    error: float


class Disagreement:
    """One align run, for reading; `open_disagreement` says where there is one."""

    def __init__(self, run: RunFolder, values: dict[str, Any]) -> None:
        self.run, self.values = run, values
        self.names: list[str] = values["backbones"]
        self.ks: list[int] = values["ks"]
        self.classes = [str(name) for name in values.get("classes", [])]
        self.thumbs = str(values.get("thumbs", ""))
        self.indices = np.asarray(self._read("indices"))
        self.labels = np.asarray(self._read("labels"))

    def shared(self, name: str, other: str, k: int) -> np.ndarray:
        """Share of each image's k nearest images that both backbones list, [N]."""
        place, q = self._pair(name, other), self.ks.index(k)
        return self._slice("shared", (place, q)).astype(float) / k

    def chance(self, k: int) -> float:
        """Mean share by chance: k neighbours drawn from the N - 1 other images."""
        return k / (len(self.indices) - 1)

    def distribution(self, name: str, others: Sequence[str], k: int) -> dict[str, np.ndarray]:
        """Images by their number of common neighbours, 0 to k: "found", "by chance" (hypergeometric), "permuted".

        Of several others it is the mean number, rounded; what permutations give is known of one other alone.
        """
        counts = np.rint(np.mean([self.shared(name, other, k) for other in others], axis=0) * k).astype(int)
        found = {"found": np.bincount(counts, minlength=k + 1), "by chance": self._by_chance(k, len(others))}
        if len(others) > 1:
            return found
        null = np.asarray(self.values["pairs"][self._pair(name, others[0])]["null"][str(k)], float)
        return found | ({"permuted": null * len(counts) / null.sum()} if null.sum() else {})

    def per_class(self, share: np.ndarray) -> list[ClassShare]:
        """The mean share of each class, the least agreed on first."""
        found = []
        for label in np.unique(self.labels):
            own = share[self.labels == label]
            error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0
            found.append(ClassShare(label=int(label), images=len(own), mean=float(own.mean()), error=float(error)))
        return sorted(found, key=lambda one: one.mean)

    def near(self, name: str, row: int, k: int) -> list[tuple[int, float]]:
        """The k nearest images of one: (row, cosine), best first."""
        place = (self.names.index(name), row)
        rows, cosines = (self._slice(part, place)[:k].tolist() for part in ("neighbours", "similarity"))
        return list(zip(rows, cosines, strict=True))

    def torn(self, name: str, other: str) -> list[dict[str, Any]]:
        """Groups that the first backbone holds together and the other tears apart (analysis/torn_groups.py)."""
        entry = self.values["pairs"][self._pair(name, other)]
        return entry["torn"][0 if self.names[entry["pair"][0]] == name else 1]

    def measured(self, name: str, other: str) -> list[dict[str, Any]]:
        """The rows of measures of one pair, calibrated; [] in runs without a calibration."""
        pair = sorted(map(self.names.index, (name, other)))
        return [row for row in self.values.get("measured", []) if row["pair"] == pair]

    def maps(self, method: str) -> np.ndarray | None:
        """Points of all backbones, laid over each other, [V, N, 2]; "umap" or "pca"; None where they are not there."""
        return self._read(method)

    def pairs(self) -> list[tuple[str, str]]:
        """Every pair that was compared."""
        return [(self.names[i], self.names[j]) for i, j in (entry["pair"] for entry in self.values["pairs"])]

    def _pair(self, name: str, other: str) -> int:
        wanted = sorted(map(self.names.index, (name, other)))
        return next(place for place, entry in enumerate(self.values["pairs"]) if entry["pair"] == wanted)

    def _by_chance(self, k: int, several: int) -> np.ndarray:
        """Expected images with c of k neighbours in common, c the rounded mean over so many independent others."""
        shares = one = self._hypergeometric(k) / len(self.indices)
        for _ in range(several - 1):
            shares = np.convolve(shares, one)
        places = np.rint(np.arange(len(shares)) / several).astype(int)
        return len(self.indices) * np.bincount(places, shares, minlength=k + 1)

    def _hypergeometric(self, k: int) -> np.ndarray:
        """Expected images with c of k neighbours in common, where those are k of N - 1 at random."""
        n, others = len(self.indices), len(self.indices) - 1

        def choose(total: int, some: int) -> float:
            if not 0 <= some <= total:
                return -np.inf
            return lgamma(total + 1) - lgamma(some + 1) - lgamma(total - some + 1)

        logs = [choose(k, c) + choose(others - k, k - c) - choose(others, k) for c in range(k + 1)]
        return n * np.exp(logs)

    def _read(self, name: str) -> np.ndarray | None:
        with safe_open(self.run.images_file, framework="numpy") as file:
            return file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118  (it is no dict)

    def _slice(self, name: str, place: tuple[int, int]) -> np.ndarray:
        i, j = place
        with safe_open(self.run.images_file, framework="numpy") as file:
            return file.get_slice(name)[i : i + 1, j : j + 1][0, 0]


def open_disagreement(run: RunFolder) -> Disagreement | None:
    """What an align run found; None while it has not compared all pairs, or in runs of earlier versions."""
    values = run.alignment()
    if not values.get("ks") or not values.get("pairs") or problems_in(tensor_files=[run.images_file]):
        return None
    try:
        return Disagreement(run, values) if _agree(run, values) else None
    except (OSError, SafetensorError):
        return None


def newest_align(runs: Sequence[RunFolder], dataset: str, backbones: Iterable[str]) -> RunFolder | None:
    """Of these runs, oldest first, the newest finished align run of all these backbones on a data set."""
    wanted = set(backbones)
    for run in reversed(runs):
        config = config_of(run)
        fits = config.kind == "align" and config.dataset == dataset and wanted <= {*config.evaluate_on}
        if fits and run.status().state == "finished":
            return run
    return None


def _agree(run: RunFolder, values: dict[str, Any]) -> bool:
    """Are the two files of one comparison: as many backbones, pairs, k and images in the one as in the other?"""
    with safe_open(run.images_file, framework="numpy") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  (it is no dict)
    count, ks, pairs = len(values["backbones"]), values["ks"], values["pairs"]
    images = shapes.get("indices", [0])
    n = images[0]
    groups = [group for entry in pairs for side in entry["torn"] for group in side]
    return (
        [shapes.get(name) for name in ("labels", "shared")] == [images, [len(pairs), len(ks), n]]
        and shapes.get("neighbours", [])[:2] == [count, n] == shapes.get("similarity", [])[:2]
        and all(shapes.get(name, [count, n, 2]) == [count, n, 2] for name in ("pca", "umap"))
        and all(len(entry["torn"]) == len(entry["pair"]) == 2 for entry in pairs)
        and all(0 <= i < j < count for i, j in (entry["pair"] for entry in pairs))
        and all(len(entry["null"].get(str(k), ())) == k + 1 for entry in pairs for k in ks)
        and all(0 <= row < n for group in groups for row in group["members"])
    )


def measure_words(row: dict[str, Any]) -> str:
    """The name of a row of measures: "Mutual k-NN, k = 10"."""
    name = WORDS.get(str(row["measure"]), str(row["measure"]))
    return name if row["k"] is None else f"{name}, k = {row['k']}"


def shown_rows(rows: Sequence[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    """Of all rows of a pair those with this k, or with none; the consensus first."""
    found = [row for row in rows if row["k"] in (None, k) or row["measure"] == "consensus"]
    return sorted(found, key=lambda row: list(WORDS).index(row["measure"]) if row["measure"] != "consensus" else -1)


def cells_of(row: dict[str, Any]) -> list[str]:
    """A row of measures as text: score, its interval, p, value, its interval, chance, threshold."""

    def spread(name: str) -> str:
        return f"{row[name][0]:.3f} to {row[name][1]:.3f}" if name in row else ""

    def number(name: str) -> str:
        return f"{row[name]:z.3f}" if name in row else ""

    return [
        number("score"), spread("score_interval"), f"{row['p']:.3f}", number("value"), spread("interval"),
        number("mean_by_chance"), number("threshold"),
    ]  # fmt: skip


def evidence(group: dict[str, Any], near: str, far: str) -> str:
    """What tells that `near` holds a group together and `far` tears it apart; both as they are to be named."""
    others = len(group["members"]) - 1
    return (
        f"{100 * group['kept_near']:.0f} % of their {others} nearest images are in the group in {near}, "
        f"{100 * group['kept_far']:.0f} % in {far}; typical rank of another member {group['rank_near']:.0f} "
        f"and {group['rank_far']:.0f}; mean cosine {group['cosine_near']:.2f} and {group['cosine_far']:.2f}"
    )


HEADINGS = ["score", "95 % interval", "p", "value", "95 % interval", "by chance", "threshold"]  # of `cells_of`
