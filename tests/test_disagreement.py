"""Where two backbones disagree: torn groups that were planted, maps laid over each other, and the run's files."""

import shlex
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgm_core.analysis.aligned_maps import aligned_pca, aligned_umap
from lgm_core.analysis.neighbours import neighbours_within
from lgm_core.analysis.torn_groups import ranks_of, torn_groups
from lgm_core.base.errors import ConfigError
from lgm_core.base.interfaces import generator
from lgm_core.cli.console import print_disagreement
from lgm_core.presets import change
from lgm_core.reports.command import command
from lgm_core.reports.disagreement import open_disagreement
from lgm_core.runs.start import start
from tests.test_mapping import finish


def planted(sizes: tuple[int, ...], n: int = 400, width: int = 32) -> tuple[torch.Tensor, torch.Tensor, list[set[int]]]:
    """Ten clusters that both backbones see, and groups from all of them that only the left one holds together."""
    source = generator("cpu", 7)

    def noise(rows: int) -> torch.Tensor:
        return torch.randn(rows, width, generator=source)

    left = noise(10)[torch.arange(n) % 10] + 0.7 * noise(n)
    right = left @ torch.linalg.qr(noise(width)).Q + 0.2 * noise(n)
    order, groups = torch.randperm(n, generator=source), []
    for members in order[: sum(sizes)].split(list(sizes)):
        left[members] = 2 * noise(1) + 0.35 * noise(len(members))
        groups.append({*members.tolist()})
    return left, right, groups


def test_planted_groups_are_found_in_one_direction_alone():
    left, right, groups = planted((30, 20))
    found = torn_groups(left, right, neighbours_within(left, k=20)[0], groups=6, seed=0)
    assert [{*group.members} for group in found[:2]] in (groups, groups[::-1])
    for group in found[:2]:
        assert group.rank_near < 16 and group.rank_far > 120 and group.cosine_near > 0.7 > 0.4 > group.cosine_far
        assert group.kept_near == 1 and group.kept_far < 0.15
    back = torn_groups(right, left, neighbours_within(right, k=20)[0], groups=6, seed=0)
    assert not any(max(len({*group.members} & one) for one in groups) > 6 for group in back)
    again = torn_groups(left, right, neighbours_within(left, k=20)[0], groups=6, seed=0)
    assert again == found


def test_nothing_is_torn_between_a_backbone_and_itself():
    left, _, _ = planted(())
    assert torn_groups(left, left * 2, neighbours_within(left, k=20)[0], groups=6, seed=0) == []
    assert torn_groups(left[:5], left[:5], neighbours_within(left[:5], k=4)[0], groups=6, seed=0) == []


def test_only_the_most_different_images_are_clustered_where_there_are_many():
    left, right, groups = planted((30, 20))
    found = torn_groups(left, right, neighbours_within(left, k=20)[0], groups=6, seed=0, most=80)
    parts = [{*group.members} for group in found]
    assert all(any(part <= one for one in groups) for part in parts[:2])
    assert len(set().union(*parts) & set().union(*groups)) > 40  # with few images to cluster, a group may be split


@pytest.mark.parametrize("chunk", [7, 256])
def test_ranks_are_places_in_the_sorted_row(chunk):
    x = torch.nn.functional.normalize(torch.randn(40, 6, generator=generator("cpu", 1)))
    similarity = (x @ x.T).fill_diagonal_(-9)
    order = similarity.argsort(dim=1, descending=True)
    asked = torch.randint(40, (40, 5), generator=generator("cpu", 2))
    asked = torch.where(asked == torch.arange(40)[:, None], (asked + 1) % 40, asked)
    expected = [[order[i].tolist().index(j) + 1 for j in row] for i, row in enumerate(asked.tolist())]
    assert ranks_of(x, asked, chunk=chunk).tolist() == expected
    rows = torch.tensor([4, 9])
    assert ranks_of(x, asked[rows], rows, chunk=chunk).tolist() == [expected[4], expected[9]]


def test_aligned_pca_lays_the_same_map_upon_itself():
    x = torch.randn(50, 8, generator=generator("cpu", 1)) * torch.linspace(3, 0.1, 8)
    turned = 7 * x @ torch.linalg.qr(torch.randn(8, 8, generator=generator("cpu", 2))).Q + 3
    maps = aligned_pca([x, turned, x[:, :1]])
    assert maps.shape == (3, 50, 2) and torch.allclose(maps[0], maps[1], atol=1e-3)
    assert maps.square().mean(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1], abs=1e-4)


@pytest.mark.slow
def test_aligned_umap_keeps_what_is_alike_in_place():
    labels = torch.arange(90) % 3
    x = torch.randn(90, 60, generator=generator("cpu", 1)) * 0.3 + 6 * torch.eye(60)[labels]
    turned = x @ torch.linalg.qr(torch.randn(60, 60, generator=generator("cpu", 2))).Q
    maps = aligned_umap([x, turned], neighbours=10, min_dist=0.1, seed=0)
    moved, spread = (maps[0] - maps[1]).norm(dim=1), torch.cdist(maps[0], maps[0]).median()
    assert maps.shape == (2, 90, 2) and maps.isfinite().all() and moved.median() < 0.25 * spread


@pytest.fixture
def twins(small_weights, tmp_path) -> list[str]:
    """The same weights under two names."""
    file = small_weights.removeprefix("file:").partition("?")[0]
    return [small_weights, f"file:{shutil.copy(file, tmp_path / 'twin.safetensors')}?timm=test_efficientnet"]


def test_an_align_run_writes_measures_groups_and_facts_about_each_image(small_run, twins, here, capsys):
    with pytest.raises(ConfigError, match="two backbones or more"):
        start(change(small_run, {"kind": "align", "evaluate_on": twins[:1]}), here)
    settings = {"permutations": 39, "resamples": 20, "maps": False}
    run = finish(change(small_run, {"kind": "align", "evaluate_on": twins, "align": settings}), here)
    found = run.alignment()
    assert found["backbones"] == twins and found["images"] == 30 and run.status().state == "finished"
    assert found["ks"] == [1, 2, 5, 10, 20, 29] == [int(k) for k in found["mutual_knn"]]
    for matrix in (
        *(found[name] for name in ("cka", "cka_debiased", "rsa", "procrustes")),
        *found["mutual_knn"].values(),
    ):
        assert np.allclose(matrix, np.ones((2, 2)), atol=1e-3)
    assert found["chance"]["mutual_knn"]["29"] == 1.0
    rows = {(row["measure"], row["k"]): row for row in found["measured"]}
    assert len(rows) == 4 + 2 * 6 + 1 and rows["consensus", 10]["score"] == pytest.approx(1, abs=1e-3)
    assert rows["mutual_knn", 5]["p"] == 1 / 40 and rows["mutual_knn", 5]["threshold"] < 0.4
    (pair,) = found["pairs"]
    assert pair["pair"] == [0, 1] and sum(pair["null"]["5"]) == 39 * 30 and pair["torn"] == [[], []]
    images = load_file(run.images_file)
    assert images["shared"].shape == (1, 6, 30) and images["shared"][0, 2].tolist() == [5] * 30
    assert images["neighbours"].shape == images["similarity"].shape == (2, 30, 29)
    assert torch.equal(images["neighbours"][0], images["neighbours"][1])
    assert images["labels"].shape == images["indices"].shape == (30,) and "umap" not in images
    told = open_disagreement(run)
    assert told is not None and told.pairs() == [(twins[0], twins[1])] and told.maps("umap") is None
    assert told.shared(*twins, k=5).tolist() == [1.0] * 30
    print_disagreement(told)
    assert "Mutual k-NN, k = 10" in (said := capsys.readouterr().out) and "by class: 0 100 %" in said
    again = shlex.split(command(run.config()))
    assert again[3:7] == ["disagree", "digits", *twins] and "--backbone" not in again
    assert run.problems() == [] and (here.thumbs / found["thumbs"] / "index.json").exists()
