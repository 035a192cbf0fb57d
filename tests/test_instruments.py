"""What one backbone sees: its spectrum, its accuracies, its layers, as runs with findings on disk."""

import math
import sys

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from lgm_core.analysis.first_moments import LOGITS, explained
from lgm_core.analysis.real_accuracy import Real, accuracies
from lgm_core.analysis.spectrum import eigenvalues, hardest_pairs, participation_ratio, rank_me, separation
from lgm_core.base.device import step_memory
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import write_json
from lgm_core.cli.main import main
from lgm_core.config import RunConfig
from lgm_core.datasets.spread import spread
from lgm_core.engine import work
from lgm_core.evaluation.seen import HeldOut, Seen
from lgm_core.presets import change
from lgm_core.reports.findings import tables
from lgm_core.reports.page import run_report
from lgm_core.runs.start import start
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_findings import fake_card

random = torch.Generator().manual_seed(0)


def test_a_spectrum_is_numpys_and_its_dimensions_are_those_of_what_was_made():
    features = torch.randn(300, 12, generator=random) @ torch.randn(12, 12, generator=random) + 5
    expected = np.linalg.eigvalsh(np.cov(features.double().numpy().T, bias=True))[::-1]
    np.testing.assert_allclose(eigenvalues(features).numpy(), expected, rtol=1e-6)
    flat = torch.zeros(4096, 40)
    flat[:, :8] = torch.randn(4096, 8, generator=random)  # eight directions of the same variance
    assert participation_ratio(eigenvalues(flat)) == pytest.approx(8, abs=0.1)
    assert rank_me(flat) == pytest.approx(8, abs=0.1)
    singular = np.linalg.svd(features.double().numpy(), compute_uv=False)
    share = singular / singular.sum()
    assert rank_me(features) == pytest.approx(math.exp(-(share * np.log(share)).sum()), rel=1e-4)


def test_separation_is_all_or_nothing_at_its_ends():
    labels = torch.arange(4).repeat(50)
    corners = torch.eye(4)[labels]
    assert separation(corners, labels, classes=4) == pytest.approx(1)
    noise = torch.randn(20_000, 4, generator=random)
    assert separation(noise, torch.arange(4).repeat(5000), classes=4) < 0.001


def test_hardest_pairs_count_both_directions():
    assert hardest_pairs([[9, 1, 0], [0, 8, 2], [0, 3, 7]]) == [(1, 2, 2, 3), (0, 1, 1, 0)]


def test_k_nearest_neighbours_vote_as_scikit_learn_lets_them():
    labels = torch.randint(3, (200,), generator=random)
    features = torch.randn(200, 1, 6, generator=random) + labels[:, None, None]
    truth = torch.arange(3).repeat(30)
    tested = torch.randn(90, 6, generator=random) + truth[:, None]
    real = Real(Seen(features, labels), HeldOut(tested, truth, None, 0, 3))
    found = accuracies(real, k=7)["k-NN"]["top1"]
    judge = KNeighborsClassifier(7, metric="cosine", weights=lambda distance: np.exp(-distance / 0.07))
    assert found == pytest.approx(judge.fit(features[:, 0], labels).score(tested, truth), abs=0.012)


@pytest.fixture(scope="module")
def looked(tmp_path_factory, small_weights) -> dict[str, RunFolder]:
    """A sweep and a card of a small random network on digits."""
    from lgm_core.base.places import Places

    root = tmp_path_factory.mktemp("looked")
    here = Places(cache=root, weights=(root / "weights",), datasets=(root / "datasets",))
    base = change(
        RunConfig(dataset="digits", backbone=small_weights),
        {"data": {"train_per_class": 8, "test_per_class": 5, "resize": 224}, "device": {"precision": "float32"}},
    )
    runs = {kind: start(change(base, {"kind": kind, "look": {"k": 3}}), here) for kind in ("layers", "backbone")}
    assert {kind: work(run, here) for kind, run in runs.items()} == dict.fromkeys(runs, "finished")
    return runs


@pytest.mark.slow
def test_a_sweep_has_a_row_for_each_layer_from_one_pass(looked, small_weights):
    run = looked["layers"]
    found = run.findings()
    assert [row["point"] for row in found["points"]] == [*(f"stage{i}.pool" for i in range(5)), "final.pool", ""]
    last, own = found["points"][-2:]
    assert own["top1"] == last["top1"] and own["features"] == last["features"] == 256  # its own features are the last
    assert found["train_images"] == 80 and run.problems() == []
    banks = [path.name for path in (run.path.parent.parent / "features").iterdir() if path.is_dir()]
    assert sum("@every-layer" in name for name in banks) == 2 and not any("@stage" in name for name in banks)
    title, columns, rows = tables(found)[0]
    assert len(rows) == 7 and rows[-1][0] == "its own" and "layer by layer" in title and "k-NN" in columns


@pytest.mark.slow
def test_a_card_tells_what_a_backbone_sees_and_costs(looked):
    run = looked["backbone"]
    found = run.findings()
    assert found["judges"]["probe"]["top1"] >= 0.1 and len(found["judges"]["probe"]["confusion"]) == 10
    assert 1 <= found["dimension"] <= 80 and sum(found["spectrum"]) == pytest.approx(1, abs=1e-3)
    for one in found["hardest"]:
        (a, b), (ab, ba) = one["pair"], one["counts"]
        confusion = found["judges"]["probe"]["confusion"]
        assert [confusion[a][b], confusion[b][a]] == [ab, ba] and len(one["images"][0]) == min(ab, 6)
    assert found["cost"]["forward"] > found["cost"]["forward_backward"] > 0 and found["cost"]["threads"] >= 1
    words = {row[0]: row[1] for row in tables(found)[0][2]}
    assert "with backward" in words["images per second"] and words["top-1, probe"].endswith(" %")


def test_class_means_explain_all_of_a_gradient_at_zero_and_less_where_a_head_is_sure(looked):
    random, labels = torch.Generator().manual_seed(0), torch.arange(4).repeat(60)
    features = 2 * torch.nn.functional.one_hot(labels, 12).float() + torch.randn(240, 12, generator=random)
    shares = [row["share"] for row in explained(features, labels, classes=4)]
    assert shares[0] > 0.99 and shares == sorted(shares, reverse=True) and shares[-1] < 0.9
    gone = features.clone()
    gone[labels == 0] = features[labels == 0].mean(dim=0)  # a class that is its mean, and one that never occurs
    assert explained(gone, labels, classes=5)[2]["share"] > explained(features, labels, classes=5)[2]["share"]
    found = looked["backbone"].findings()["moments"]
    assert [row["logits"] for row in found] == list(LOGITS) and all(0 <= row["share"] <= 1.0001 for row in found)


def test_of_many_images_some_of_each_class_stand_for_the_first_moments(monkeypatch: pytest.MonkeyPatch):
    features, labels = torch.randn(400, 12, generator=random).half(), torch.arange(400) % 4
    some = spread(labels, 60)
    expected = explained(features[some], labels[some], classes=4)
    monkeypatch.setattr("lgm_core.analysis.first_moments.MOST", 60)
    assert explained(features, labels, classes=4) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own memory where Linux tells it")
def test_a_spectrum_of_many_images_takes_no_copy_of_them_in_double_precision():
    features = torch.randn(400_000, 32, generator=random).half()
    assert step_memory(lambda: eigenvalues(features), torch.device("cpu")) < 40e6  # as doubles they are 102 MB


_JUDGE = {"top1": 0.5, "worst_group": 0.25, "per_group": [0.9, 0.25]}
_JUDGES = dict.fromkeys(("probe", "nearest mean", "k-NN"), _JUDGE)
_POINT = {"point": "stage0.pool", "features": 3, "top1": {"probe": 0.5}, "worst_group": {"probe": None},
          "dimension": 1.0, "separation": 0.1}  # fmt: skip


@pytest.mark.parametrize("changes", [
    {"judges": _JUDGES | {"probe": "fine"}}, {"judges": _JUDGES | {"k-NN": [0.5]}},
    {"judges": _JUDGES | {"probe": _JUDGE | {"worst_group": 0.3}}}, {"judges": _JUDGES, "groups": ["day"]},
    {"hardest": [{"pair": [4, 10], "counts": [3, 1], "images": [[4], [6]]}]},
    {"hardest": [{"pair": [4, -1], "counts": [3, 1], "images": [[4], [6]]}]},
    {"hardest": [{"pair": [4, 5], "counts": [3], "images": [[4]]}]}, {"cost": {"forward": 1.0}},
    {"kind": "layers", "points": [{"point": "stage0.pool"}]},
    {"kind": "layers", "points": [_POINT | {"point": "stage0"}]},
    {"kind": "layers", "points": [_POINT, _POINT | {"top1": {"k-NN": 0.5}}]},
    {"kind": "layers", "points": [_POINT | {"worst_group": {"probe": "low"}}]},
])  # fmt: skip
def test_findings_that_lack_what_is_read_are_damage(changes, tmp_path):
    run = fake_card(RunStore(tmp_path / "runs"), "mobilenet_v2", thumbs="", name="card")
    whole = run.findings()
    assert tables(whole) and run.problems() == []
    write_json(run.findings_file, whole | changes)
    assert run.findings() == {} and "findings.json" in run.problems()[0]
    assert run_report(run)


def test_networks_without_features_or_layers_are_refused(small_run, small_weights, here, capsys):
    with pytest.raises(ConfigError, match="have no features to look at"):
        start(change(small_run, {"kind": "backbone", "backbone": "conv"}), here)
    run = start(change(small_run, {"kind": "layers", "backbone": f"{small_weights}@stage1.pool"}), here)
    with pytest.raises(UserError, match="name a backbone without a point"):
        work(run, here)


def test_the_verbs_are_there(capsys):
    for verb in ("layers", "backbone"):
        assert main([verb, "digits", "no_such_backbone"]) == 2
        assert "unknown backbone" in capsys.readouterr().err
