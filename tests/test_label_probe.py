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
