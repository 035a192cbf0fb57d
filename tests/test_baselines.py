"""Ways of choosing real images, against brute force."""

from dataclasses import replace

import pytest
import torch

import lgm_core
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.settings import BaselineConfig
from lgm_core.cli.main import main
from lgm_core.datasets.baselines import choose_centroids, choose_neighbours, choose_random
from lgm_core.engine import work
from lgm_core.runs.start import start
from lgm_core.runs.store import RunStore

LABELS = torch.tensor([1, 0, 2, 1, 0, 2, 2, 1, 0])
FEATURES = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))


def test_random_takes_the_asked_number_per_class_and_depends_on_the_seed():
    chosen = choose_random(LABELS, classes=3, per_class=2, seed=0)
    assert LABELS[chosen].tolist() == [0, 0, 1, 1, 2, 2] and len(set(chosen.tolist())) == 6
    assert torch.equal(chosen, choose_random(LABELS, classes=3, per_class=2, seed=0))
    assert any(not torch.equal(chosen, choose_random(LABELS, classes=3, per_class=2, seed=s)) for s in range(1, 5))


def test_centroids_are_nearest_to_their_class_mean():
    chosen = choose_centroids(FEATURES, LABELS, classes=3, per_class=1).tolist()
    for label, index in enumerate(chosen):
        members = [i for i in range(9) if LABELS[i] == label]
        mean = sum(FEATURES[i] for i in members) / len(members)
        assert index == min(members, key=lambda i: float((FEATURES[i] - mean).norm()))


def test_neighbours_have_the_highest_cosine_within_their_class_and_may_be_the_same():
    synthetic = torch.stack([FEATURES[4] * 3, FEATURES[4] * 5, FEATURES[0] - 0.01])
    chosen = choose_neighbours(synthetic, torch.tensor([0, 0, 1]), FEATURES, LABELS).tolist()
    assert chosen == [4, 4, 0]


def test_a_class_with_too_few_images_is_named():
    with pytest.raises(UserError, match="4 images per class were asked for, but class 0 has 3"):
        choose_random(LABELS, classes=3, per_class=4, seed=0)


@pytest.fixture
def source(small_run, here, monkeypatch) -> str:
    """A run whose neighbours are chosen; the images are random real ones, which need no distillation."""
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    chosen = replace(small_run, kind="baseline", baseline=BaselineConfig(choice="random"), evaluate_on=())
    made = start(replace(chosen, name="the-source", images_per_class=2), here)
    assert work(made, here) == "finished"
    return made.id


def test_neighbours_take_data_set_and_backbone_from_their_source(source, here, small_run):
    small = ["--data.train-per-class", "3", "--data.test-per-class", "3", "--data.resize", "224"]
    assert main(["baseline", "neighbours", "--source", "the-sour", "--name", "near", *small]) == 0
    made = RunStore(here.runs).open("near")
    config, asked = made.config(), RunStore(here.runs).open(source)
    assert (config.dataset, config.backbone, config.images_per_class) == ("digits", small_run.backbone, 2)
    assert config.source == "the-source"
    same = lgm_core.open_run("near").images == lgm_core.open_run(source).images
    assert same.all() and asked.config().seed == config.seed  # real images are their own neighbours


def test_neighbours_among_other_data_or_in_another_backbone_are_refused(source, here, small_run, capsys):
    assert main(["baseline", "neighbours", "scenes", "--source", source]) == 2
    assert "are of the data set digits" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="by its features, not by those of mobilenet_v2"):
        lgm_core.baseline("neighbours", backbone="mobilenet_v2", source=source)
    with pytest.raises(UserError, match="needs a data set and a backbone"):
        lgm_core.baseline("centroids", "digits")
    wrong = replace(small_run, kind="baseline", baseline=BaselineConfig(choice="neighbours"), source=source)
    old = RunStore(here.runs).create(replace(wrong, dataset="scenes", evaluate_on=()), {})
    with pytest.raises(ConfigError, match="are of the data set digits"):
        work(old, here)
