"""The exact protocols on frozen backbones, against slower and more obvious ways of saying the same."""

import shutil

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import cosine_similarity

from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.engine import start, work
from lgm_core.evaluation import seen as looking
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.evaluation.judge import Judged
from lgm_core.evaluation.nearest_image import NearestImage
from lgm_core.evaluation.nearest_mean import ClassMeans
from lgm_core.evaluation.seen import HeldOut, Seen
from lgm_core.presets import change, preset

CLASSES, WIDTH = 5, 12


@pytest.fixture(params=[3, 4096], ids=["in parts", "whole"])
def seen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Twenty images of four of five classes, unequally many, three views each, in half precision as a bank has them."""
    monkeypatch.setattr(looking, "ROWS", request.param)
    random = torch.Generator().manual_seed(3)
    labels = torch.tensor([0] * 8 + [1] * 2 + [2] * 5 + [4] * 5)[torch.randperm(20, generator=random)]
    centres = 2 * torch.randn(CLASSES, WIDTH, generator=random)
    features = 5 + centres[labels][:, None] + torch.randn(20, 3, WIDTH, generator=random)
    return Seen(features.half(), labels)


@pytest.fixture
def test() -> HeldOut:
    random = torch.Generator().manual_seed(4)
    labels = torch.arange(40) % CLASSES
    return HeldOut(5 + 3 * torch.randn(40, WIDTH, generator=random), labels, None, 0, CLASSES)


def test_the_nearest_mean_is_what_a_loop_finds(seen: Seen, test: HeldOut):
    features, around = seen.features.double(), seen.features.double().mean(dim=(0, 1))
    expected = []
    for one in test.features.double():
        means = {c: features[seen.labels == c].mean(dim=(0, 1)) for c in range(CLASSES) if c in seen.labels}
        alike = {c: cosine_similarity(one - around, mean - around, dim=0).item() for c, mean in means.items()}
        expected.append(max(alike, key=lambda c: alike[c]))
    scores = ClassMeans(seen, classes=CLASSES).scores(test.features)
    assert scores.argmax(dim=1).tolist() == expected and scores[:, 3].isinf().all()
    right = np.mean(np.array(expected) == test.labels.numpy())
    report = test.report(ClassMeans(seen, classes=CLASSES).scores)
    assert report["top1"] == pytest.approx(right) and report["top1_seeds"] == [report["top1"]]


def test_the_nearest_image_is_that_of_scikit_learn(seen: Seen, test: HeldOut):
    clean = Seen(seen.features[:, :1], seen.labels)
    around = clean.features.float().mean(dim=(0, 1))
    known = KNeighborsClassifier(n_neighbors=1, metric="cosine")
    known.fit((clean.features[:, 0].float() - around).numpy(), clean.labels.numpy())
    expected = known.predict((test.features - around).numpy())
    scores = NearestImage(clean, classes=CLASSES).scores(test.features)
    assert scores.argmax(dim=1).tolist() == expected.tolist() and scores[:, 3].isinf().all()


@pytest.mark.parametrize("strength", [1e-1, 1e-3, 1e-4])
def test_the_converged_head_is_at_the_optimum_that_scikit_learn_finds(seen: Seen, test: HeldOut, strength: float):
    head = ConvergedHead(seen, classes=CLASSES, strength=strength)
    features = seen.features.float().flatten(0, 1)
    around = features - features.mean(dim=0)
    scale = around.square().sum(dim=1).mean().rsqrt()
    labels = seen.labels.repeat_interleave(3)
    sizes = torch.bincount(labels, minlength=CLASSES).float()
    weights = 1 / (4 * sizes[labels])  # of each view: all classes that occur alike, and 1 in all
    known = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000)
    known.fit((around * scale).double().numpy(), labels.numpy(), sample_weight=weights.double().numpy())
    logits = known.decision_function(((test.features - features.mean(dim=0)) * scale).double().numpy())
    found = head.scores(test.features)[:, [0, 1, 2, 4]]
    found, logits = found - found.mean(dim=1, keepdim=True), torch.tensor(logits)
    assert torch.allclose(found.double(), logits - logits.mean(dim=1, keepdim=True), atol=1e-2)
    assert head.scores(test.features)[:, 3].isinf().all()


def test_a_set_s_views_are_computed_once_for_all_protocols():
    judged, made = Judged(images=None, made=preset("preview"), run="x"), []

    def make() -> Seen:
        made.append(1)
        return Seen(torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.long))

    first = looking._once(judged, ("a", "views"), make)
    assert looking._once(judged, ("a", "views"), make) is first and len(made) == 1
    looking._once(judged, ("a", "clean"), make)
    assert set(judged.seen) == {("a", "views"), ("a", "clean")}
    looking._once(judged, ("b", "views"), make)
    assert set(judged.seen) == {("b", "views")}  # what the next network needs has the room


def test_other_judges_are_asked_as_time_allows_and_at_last(small_run: RunConfig, here: Places, tmp_path, monkeypatch):
    monkeypatch.setattr("lgm_core.evaluation.live.LIVE_SHARE", 0.0)
    own = small_run.backbone
    copied = shutil.copy(own.removeprefix("python:").rpartition(":")[0], tmp_path / "other.py")
    other = f"python:{copied}:build"
    run = start(change(small_run, {"evaluate_on": [own, other], "live": {"times": 3}}), here)
    assert work(run, here) == "finished"
    lines = run.metrics()
    judged = {name: [line["step"] for line in lines if f"live:{name}" in line] for name in (own, other)}
    assert judged == {own: [6, 11, 17], other: [6, 17]}
    assert lines[17][f"live:{own}"] == lines[17][f"live:{other}"]  # the same weights
