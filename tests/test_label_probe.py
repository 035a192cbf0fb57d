"""The linear head on few labels: at the optimum that scikit-learn finds, and what comes to nothing has a name."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import cross_entropy

from lgm_core.base.errors import Unmeasured
from lgm_core.base.interfaces import generator
from lgm_core.base.places import Places
from lgm_core.evaluation import pretraining
from lgm_core.evaluation.label_probe import best_classes, head_on
from lgm_core.evaluation.pretraining import labelled_rows
from lgm_core.evaluation.protocol import Key
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.test_mkdt_run import finish, finished, run, small  # noqa: F401 (fixtures)

N, D, CLASSES = 90, 6, 4
LABELS = torch.arange(N) % CLASSES
FEATURES = torch.randn(N, D, generator=generator("cpu", 1)) + 0.8 * torch.nn.functional.one_hot(LABELS, D)
SEEN = torch.randn(40, D, generator=generator("cpu", 2))


def scores(kind: str, features: Tensor = FEATURES, seen: Tensor = SEEN) -> Tensor:
    return head_on(features, LABELS, classes=CLASSES, kind=kind)(seen)


def standardised(seen: Tensor) -> Tensor:
    return (seen - FEATURES.mean(dim=0)) / FEATURES.std(dim=0, correction=0)


@pytest.mark.parametrize("kind", ["reference", "robust"])
def test_the_head_is_that_of_scikit_learn(kind: str):
    """Cross-entropy, mean over labels, plus 1e-3 times the squared weights; the bias is free."""
    as_seen = standardised if kind == "robust" else torch.clone
    oracle = LogisticRegression(C=1 / (2 * N * 1e-3), tol=1e-10, max_iter=10_000)
    oracle.fit(as_seen(FEATURES).double().numpy(), LABELS.numpy())
    wanted = torch.from_numpy(oracle.predict_proba(as_seen(SEEN).double().numpy()))
    found = scores(kind).softmax(dim=1).double()
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)
    own, theirs = (cross_entropy(torch.log(p), LABELS[:40]).item() for p in (found, wanted))
    assert own == pytest.approx(theirs, abs=1e-2)


def test_the_robust_head_does_not_depend_on_the_scale_of_its_features():
    def moved(features: Tensor) -> Tensor:
        return features * torch.logspace(-3, 3, D) + 7

    torch.testing.assert_close(scores("robust", moved(FEATURES), moved(SEEN)), scores("robust"), rtol=0.02, atol=0.02)
    low = scores("reference", 1e-3 * FEATURES, 1e-3 * SEEN)
    assert (low - scores("reference")).abs().max() > 0.5  # which the published one does


def test_a_head_that_diverges_or_says_one_class_of_all_is_named():
    with pytest.raises(Unmeasured, match=r"the linear probe diverged in turn \d+ of 20 on 90 .*pretrain.probe robust"):
        scores("reference", FEATURES * 1e38)
    with pytest.raises(Unmeasured, match="the linear probe says the same class of every test image"):
        best_classes(lambda seen: torch.tensor([[0.0, 1.0]]).expand(len(seen), 2), SEEN)


def test_each_network_is_given_labels_of_its_own(run: RunFolder, here: Places, monkeypatch):  # noqa: F811
    drawn: dict[int, list[int]] = {}
    plain = pretraining.labelled_rows

    def recorded(*asked: object, **further: int) -> Tensor:
        rows = plain(*asked, **further)
        drawn[len(drawn)] = rows.tolist()
        return rows

    monkeypatch.setattr(pretraining, "labelled_rows", recorded)
    asked = {"kind": "evaluate", "source": run.id, "name": "", "label_fraction": (0.25,)}
    finish(change(run.config(), asked), here)
    first, second = drawn.values()  # two networks
    assert len(first) == len(set(first)) == len(second) == 30 and len(set(first) & set(second)) < 20
    assert np.unique(first).max() < 120


def _key(**labels: float) -> Key:
    return Key(network="conv:instance", protocol="pretrain", dataset="digits", **labels)  # pyright: ignore


def test_fewer_labels_are_the_first_of_more():
    half, quarter = (labelled_rows(LABELS, _key(fraction=share), 0, classes=CLASSES) for share in (0.5, 0.25))
    assert (len(half), len(quarter)) == (45, 22) and half[:22].tolist() == quarter.tolist()


def test_so_many_labels_of_each_class_are_drawn_anew_for_each_network():
    uneven = torch.cat((LABELS, torch.full((50,), 2)))
    few, more, other = (
        labelled_rows(uneven, _key(labels_per_class=count), seed, classes=CLASSES)
        for count, seed in ((3, 0), (20, 0), (20, 1))
    )
    assert torch.bincount(uneven[few]).tolist() == [3] * CLASSES and len(set(more.tolist())) == 20 * CLASSES
    assert uneven[few].tolist() == sorted(uneven[few].tolist())
    assert [few[3 * c : 3 * c + 3].tolist() for c in range(CLASSES)] == [
        more[20 * c : 20 * c + 3].tolist() for c in range(CLASSES)
    ]
    assert set(more.tolist()) != set(other.tolist())
    everything = labelled_rows(uneven, _key(labels_per_class=22), 0, classes=CLASSES)
    assert set((uneven[:90] == 3).nonzero().flatten().tolist()) == {
        row for row in everything.tolist() if uneven[row] == 3
    }
    with pytest.raises(
        Unmeasured, match="23 labels per class .* class 2 of digits has 22 .* give fewer .--labels-per-class"
    ):
        labelled_rows(LABELS, _key(labels_per_class=23), 0, classes=CLASSES)
