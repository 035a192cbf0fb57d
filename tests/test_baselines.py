"""Ways of choosing real images, against brute force."""

import itertools
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest
import torch
from torch.nn.functional import cosine_similarity

import lgm_core
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.interfaces import generator
from lgm_core.base.real_settings import BaselineConfig
from lgm_core.cli.main import main
from lgm_core.datasets import rivals
from lgm_core.datasets.baselines import (
    choose_centroids,
    choose_herding,
    choose_k_centres,
    choose_neighbours,
    choose_random,
)
from lgm_core.datasets.rivals import choose_best_random, choose_greedy, joined_space
from lgm_core.engine import work
from lgm_core.reports.summary import CHOICES
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


def test_herding_keeps_the_mean_of_those_chosen_near_the_class_mean():
    chosen = choose_herding(FEATURES, LABELS, classes=3, per_class=3).tolist()
    for label in range(3):
        members = [i for i in range(9) if LABELS[i] == label]
        mean, own = FEATURES[members].mean(dim=0), chosen[3 * label : 3 * label + 3]
        assert sorted(own) == members
        assert own[0] == min(members, key=lambda i: float((FEATURES[i] - mean).norm()))
        others = [i for i in members if i != own[0]]
        assert own[1] == min(others, key=lambda i: float((FEATURES[[own[0], i]].mean(dim=0) - mean).norm()))


def test_k_centres_take_the_image_farthest_from_those_chosen():
    chosen = choose_k_centres(FEATURES, LABELS, classes=3, per_class=2).tolist()
    for label in range(3):
        first, second = chosen[2 * label : 2 * label + 2]
        members = [i for i in range(9) if LABELS[i] == label]
        assert first == choose_centroids(FEATURES, LABELS, classes=3, per_class=1)[label]
        assert second == max(members, key=lambda i: float((FEATURES[i] - FEATURES[first]).norm()))


def _spaces() -> tuple[list[torch.Tensor], torch.Tensor]:
    """Two spaces in which classes overlap, 15 images of each of three classes."""
    labels, random = torch.arange(3).repeat_interleave(15), torch.Generator().manual_seed(4)
    centres = torch.randn(2, 3, 5, generator=random)
    return [centres[k][labels] + 1.2 * torch.randn(45, 5, generator=random) for k in range(2)], labels


def _worst(spaces: list[torch.Tensor], labels: torch.Tensor, chosen: torch.Tensor) -> float:
    found = []
    for space in spaces:
        means = torch.stack([space[[i for i in chosen.tolist() if labels[i] == c]].mean(dim=0) for c in range(3)])
        centred, seen = means - means.mean(dim=0), space - means.mean(dim=0)
        best = cosine_similarity(seen[:, None], centred[None], dim=-1).argmax(dim=1)
        found.append((best == labels).double().mean().item())
    return min(found)


def test_the_greedy_choice_is_no_worse_than_centroids_and_nearly_the_best_there_is():
    spaces, labels = _spaces()
    chosen = choose_greedy(spaces, labels, classes=3, per_class=1, seed=0)
    assert labels[chosen].tolist() == [0, 1, 2]
    centroids = choose_centroids(joined_space(spaces), labels, classes=3, per_class=1)
    every = itertools.product(*[(labels == c).nonzero().flatten().tolist() for c in range(3)])
    best = max(_worst(spaces, labels, torch.tensor(one)) for one in every)
    assert _worst(spaces, labels, centroids) < _worst(spaces, labels, chosen) <= best
    assert _worst(spaces, labels, chosen) >= best - 0.05


@pytest.mark.parametrize("per_class", [1, 3])
def test_an_exchanged_image_is_worth_what_the_whole_choice_is_worth_anew(per_class: int):
    spaces, labels = _spaces()
    spaces = [space + 40 for space in spaces]  # features are far from 0
    worth = rivals._Worth(spaces, labels, classes=3)  # pyright: ignore[reportPrivateUsage]
    chosen = choose_random(labels, classes=3, per_class=per_class, seed=1)
    for place in range(len(chosen)):
        candidates = (labels == labels[chosen[place]]).nonzero().flatten()
        candidates = candidates[~torch.isin(candidates, chosen)]
        others = [chosen.clone().index_fill_(0, torch.tensor([place]), int(one)) for one in candidates]
        found = worth.exchanged(chosen, place, candidates)
        assert found.tolist() == pytest.approx([worth(other) for other in others])
        assert found.tolist() == pytest.approx([_worst(spaces, labels, other) for other in others], abs=1.1e-3)


@pytest.mark.parametrize("choose", [choose_best_random, choose_greedy])
def test_what_choices_are_tried_on_is_taken_once_and_said_how_far_it_is(choose, monkeypatch: pytest.MonkeyPatch):
    """Among a million labels it takes half a second, and there are thousands of choices."""
    (spaces, labels), taken, told = _spaces(), list[int](), list[int]()
    whole = rivals.spread
    monkeypatch.setattr(rivals, "spread", lambda labels, count: taken.append(count) or whole(labels, count))
    monkeypatch.setattr(rivals, "_DRAWS", 5)
    choose(spaces, labels, classes=3, per_class=1, seed=0, tick=lambda done, total: told.append(done))
    assert len(taken) == 1 and told == list(range(len(told))) and len(told) > 4


def test_random_choices_are_those_of_each_class_in_the_shuffled_pass():
    order = torch.randperm(9, generator=generator("cpu", 3, 0x72616E64))
    wanted = [i for label in range(3) for i in [i for i in order.tolist() if LABELS[i] == label][:2]]
    assert choose_random(LABELS, classes=3, per_class=2, seed=3).tolist() == wanted


@pytest.mark.slow
def test_the_best_of_random_choices_is_better_than_most():
    spaces, labels = _spaces()
    chosen = choose_best_random(spaces, labels, classes=3, per_class=1, seed=0)
    draws = [choose_random(labels, classes=3, per_class=1, seed=seed) for seed in range(60)]
    assert sum(_worst(spaces, labels, chosen) >= _worst(spaces, labels, one) for one in draws) >= 58


def test_a_joined_space_weighs_all_backbones_alike():
    both = joined_space([FEATURES, 100 * FEATURES])
    torch.testing.assert_close(both[:, :4], both[:, 4:])
    assert joined_space([FEATURES]) is FEATURES or torch.equal(joined_space([FEATURES]), FEATURES)


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


def test_every_choice_has_its_place_among_the_rows_of_a_table():
    assert {*CHOICES} == {"distill", *get_args(get_type_hints(BaselineConfig)["choice"])}
