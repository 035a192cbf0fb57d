"""Measures of alignment against numpy and scipy on whole matrices; permuted, resampled, in chunks; and calibration."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes

from lgm_core.analysis.alignment import MEASURES
from lgm_core.analysis.calibration import calibrated, consensus, permutations, resamples
from lgm_core.analysis.samples import Kernel, Permuted, Prepared, Resampled, prepare
from lgm_core.base.interfaces import generator

N, K = 60, 12
KS = [3, 12]
ALL = [(name, k) for name, row in MEASURES.items() for k in (KS if row.local else [None])]


def features(n: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(n, width, generator=generator("cpu", seed)) + 0.5


def pair(n: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    """Two backbones with something in common."""
    x = features(n, 9, 1)
    return x, torch.cat((x[:, :4] * 2, features(n, 11, 2)), dim=1)


def oracle(name: str, x: np.ndarray, y: np.ndarray, k: int | None, ids: np.ndarray) -> float:
    """A measure from its definition. `ids`: which image each row is; pairs of one and the same image are left out
    where the measure looks at pairs of different images.
    """
    if name == "procrustes":
        width = max(x.shape[1], y.shape[1])
        x, y = (np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in (x, y))
        return float(np.sqrt(1 - scipy_procrustes(x, y)[2]))
    if name in ("mutual_knn", "cknna"):
        return neighbours_oracle(name, x, y, k or 0)
    other = ids[:, None] != ids[None, :]
    if name == "rsa":
        x, y = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (x, y))
        return float(np.corrcoef((x @ x.T)[other], (y @ y.T)[other])[0, 1])
    grams = [part @ part.T for part in (x, y)]
    hsic = biased if name == "cka" else unbiased
    grams = grams if name == "cka" else [gram * other for gram in grams]
    k_, l_ = grams
    return float(hsic(k_, l_) / np.sqrt(hsic(k_, k_) * hsic(l_, l_)))


def biased(k: np.ndarray, m: np.ndarray) -> float:
    centre = np.eye(len(k)) - 1 / len(k)
    return np.trace(k @ centre @ m @ centre)


def unbiased(k: np.ndarray, m: np.ndarray) -> float:
    n, one = len(k), np.ones(len(k))
    total = np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def neighbours_oracle(name: str, x: np.ndarray, y: np.ndarray, k: int) -> float:
    kernels, masks = [], []
    for part in (x, y):
        part = part / np.linalg.norm(part, axis=1, keepdims=True)
        kernel = part @ part.T
        near = np.argsort(-(kernel - 9 * np.eye(len(part))), axis=1)[:, :k]
        mask = np.zeros(kernel.shape, bool)
        np.put_along_axis(mask, near, True, axis=1)
        kernels.append(kernel - kernel.mean(axis=1, keepdims=True))
        masks.append(mask)
    if name == "mutual_knn":
        return float((masks[0] & masks[1]).sum() / (k * len(x)))
    both = (kernels[0] * kernels[1])[masks[0] & masks[1]].sum()
    left, right = ((kernel**2)[mask].sum() for kernel, mask in zip(kernels, masks, strict=True))
    return float(both / np.sqrt(left * right))


def value_of(name: str, samples: Permuted | Resampled, k: int | None) -> torch.Tensor:
    row = MEASURES[name]
    return row.function(samples, k) if row.local else row.function(samples)


def prepared(chunk: int = 2048) -> tuple[Prepared, Prepared]:
    left, right = (prepare(part, k=K, axes=0, rows=chunk) for part in pair())
    return left, right


@pytest.mark.parametrize("chunk", [7, 4096])
@pytest.mark.parametrize(("name", "k"), ALL)
def test_measures_are_what_they_are_defined_as_also_where_images_are_permuted(name, k, chunk):
    x, y = (part.double().numpy() for part in pair())
    orders = permutations(N, 3, seed=5)
    found = value_of(name, Permuted(*prepared(chunk), ks=KS, permutations=orders, chunk=chunk), k)
    expected = [oracle(name, x, y[order], k, np.arange(N)) for order in (np.arange(N), *orders.numpy())]
    assert found.tolist() == pytest.approx(expected, abs=2e-5)
    assert found[0].item() == pytest.approx(expected[0], rel=1e-5) and found[0] > found[1:].max()


@pytest.mark.parametrize("rows", [7, 512])
@pytest.mark.parametrize(("name", "k"), [(name, k) for name, k in ALL if not MEASURES[name].local])
def test_a_resample_is_what_its_images_are_written_out(name, k, rows):
    x, y = (part.double().numpy() for part in pair())
    if name.startswith("cka"):  # kernels of features centred over all images, whichever are drawn
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    weights, sides = resamples(N, 4, seed=3), prepared()
    shared = Permuted(*sides, ks=KS).shared
    found = value_of(name, Resampled(*sides, shared, weights, rows=rows), k)
    for value, weight in zip(found.tolist(), weights.T.numpy(), strict=True):
        ids = np.repeat(np.arange(N), weight.astype(int))
        assert len(ids) == N and value == pytest.approx(oracle(name, x[ids], y[ids], k, ids), abs=2e-5)


@pytest.mark.parametrize(("name", "k"), [(name, k) for name, k in ALL if MEASURES[name].local])
def test_resampled_neighbourhoods_are_weighted_means_over_images(name, k):
    sides, weights = prepared(), resamples(N, 4, seed=3)
    shared = Permuted(*sides, ks=KS).shared
    found = value_of(name, Resampled(*sides, shared, weights), k)
    q = KS.index(k)
    for value, w in zip(found.tolist(), weights.T.double(), strict=True):
        both, left, right = ((part[q] * w).sum() for part in (shared.both, shared.left, shared.right))
        expected = (shared.counts[q] * w).sum() / (k * N) if name == "mutual_knn" else both / (left * right).sqrt()
        assert value == pytest.approx(float(expected))


def test_counts_and_the_null_histogram_are_those_of_sets():
    (x, y), sides = pair(), prepared()
    orders = permutations(N, 5, seed=1)
    found = Permuted(*sides, ks=KS, permutations=orders)
    near = [side.neighbourhood.near.tolist() for side in sides]
    sets = [len({*a[:3]} & {*b[:3]}) for a, b in zip(*near, strict=True)]
    assert found.shared.counts[0].tolist() == sets
    histogram = torch.zeros(4, dtype=torch.int64)
    for order in orders:
        moved = prepare(y[order], k=K, axes=0).neighbourhood.near.tolist()
        for a, b in zip(near[0], moved, strict=True):
            histogram[len({*a[:3]} & {*b[:3]})] += 1
    assert torch.equal(found.histograms[0], histogram) and histogram.sum() == 5 * N
    assert len(x) == N


@pytest.mark.parametrize("kernel", ["linear", "cosine", "correlation"])
def test_kernels_and_axes_can_be_chosen(kernel: Kernel):
    x, y = pair()
    sides = [prepare(part, k=K, cka_kernel=kernel, rsa_kernel=kernel, axes=2) for part in (x, y)]
    shown = [part - part.mean(dim=1, keepdim=True) if kernel == "correlation" else part for part in (x, y)]
    a, b = ((p if kernel == "linear" else p / p.norm(dim=1, keepdim=True)).double().numpy() for p in shown)
    samples = Permuted(*sides, ks=KS)
    assert value_of("cka", samples, None)[0].item() == pytest.approx(oracle("cka", a, b, None, np.arange(N)), abs=1e-5)
    grams, other = [part @ part.T for part in (a, b)], ~np.eye(N, dtype=bool)
    expected = np.corrcoef(grams[0][other], grams[1][other])[0, 1]
    assert value_of("rsa", samples, None)[0].item() == pytest.approx(expected, abs=1e-5)
    assert sides[0].axes.shape == (N, 2)


def test_measures_know_themselves_rotated_and_strangers():
    x = features(300, 20, 1)
    turned = x @ torch.linalg.qr(features(20, 20, 3)).Q * 3
    same = Permuted(prepare(x, k=K, axes=0), prepare(turned, k=K, axes=0), ks=KS)
    for name, k in ALL:
        assert value_of(name, same, k)[0].item() == pytest.approx(1, abs=1e-3), name
    stranger = Permuted(prepare(x, k=K, axes=0), prepare(features(300, 200, 4), k=K, axes=0), ks=KS)
    assert value_of("cka", stranger, None)[0] > 0.12 and abs(value_of("cka_debiased", stranger, None)[0]) < 0.05
    flat = Permuted(prepare(x, k=K), prepare(torch.ones(300, 5), k=K), ks=KS)
    assert value_of("cka", flat, None)[0] == 0


def test_calibration_tells_what_is_shared_from_what_is_wide():
    """Wide strangers are alike by plain CKA, and score nothing; what is shared scores."""
    n, orders, weights = 80, permutations(80, 99, seed=0), resamples(80, 50, seed=0)
    shared_part = features(n, 6, 1)
    wide = [features(n, 400, seed) for seed in (2, 3)]
    scores = {}
    for case, sides in {"strangers": wide, "kin": [torch.cat((shared_part * 6, w), dim=1) for w in wide]}.items():
        left, right = (prepare(side, k=K) for side in sides)
        null = Permuted(left, right, ks=KS, permutations=orders)
        drawn = Resampled(left, right, null.shared, weights)
        values = value_of("cka", null, None)
        found = calibrated(value=values[0].item(), chance=values[1:], resampled=value_of("cka", drawn, None))
        scores[case] = found
        assert found.interval[0] < found.value < found.interval[1]
    assert scores["strangers"].value > 0.7 and scores["strangers"].score < 0.1 and scores["strangers"].p > 0.01
    assert scores["kin"].score > 0.2 and scores["kin"].p == pytest.approx(0.01)
    assert scores["kin"].score_interval[0] > 0


def test_the_calibrated_score_is_zero_at_the_threshold_and_one_at_the_top():
    chance = torch.linspace(0, 0.38, 39)
    found = calibrated(value=0.7, chance=chance, resampled=torch.tensor([0.69, 0.71]))
    with_value = np.append(np.linspace(0, 0.38, 39), 0.7)
    threshold = np.quantile(with_value, 0.95)
    assert found.threshold == pytest.approx(threshold) and found.p == pytest.approx(1 / 40)
    assert found.score == pytest.approx((0.7 - threshold) / (1 - threshold))
    assert calibrated(value=0.2, chance=chance, resampled=torch.tensor([0.2, 0.2])).score == 0
    assert calibrated(value=1.0, chance=chance, resampled=torch.tensor([1.0, 1.0])).score == pytest.approx(1)
    both = consensus([found, calibrated(value=0.2, chance=chance, resampled=torch.tensor([0.2, 0.2]))])
    assert both["score"] == pytest.approx(found.score / 2) and both["p"] > 0.4
