"""The style of a set, its robustness, and how near it is to a copy of a real image."""

import math

import pytest
import torch

from lgm_core.analysis.style_measures import (
    STRENGTHS,
    coverage,
    damaged,
    lab_histograms,
    most_alike,
    nearest_of_own,
    radial_power,
)
from lgm_core.base.files import read_json
from lgm_core.engine import work
from lgm_core.presets import change
from lgm_core.reports.findings import tables
from lgm_core.runs.start import start

random = torch.Generator().manual_seed(0)


def test_a_wave_has_its_power_at_its_frequency_and_white_noise_at_all():
    x = torch.arange(64) / 64
    wave = (0.5 + 0.4 * torch.sin(2 * math.pi * 9 * x)).expand(1, 3, 64, 64)
    assert int(radial_power(wave).argmax()) + 1 == 9
    flat = radial_power(torch.rand(60, 3, 64, 64, generator=random))
    assert flat.std() < 0.1 and len(flat) == 31


def test_histograms_are_shares_and_a_colour_lies_where_lab_has_it():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    found = lab_histograms(red)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    assert int(found[0].argmax()) == 17 and int(found[1].argmax()) == 31  # L 53 of 100; a 80, the last bin


@pytest.mark.parametrize("kind", STRENGTHS)
def test_damage_grows_with_its_strength_and_is_none_at_the_first(kind: str):
    images = torch.rand(2, 3, 256, 256, generator=random)
    apart = [
        float((damaged(images, kind, strength, torch.Generator().manual_seed(1)) - images).abs().mean())
        for strength in STRENGTHS[kind]
    ]
    assert apart[0] == 0 and apart == sorted(apart) and apart[1] > 0


def test_a_copy_is_told_from_another_image():
    images = torch.rand(2, 3, 32, 32, generator=random)
    assert most_alike(images, images).tolist() == pytest.approx([1, 1])
    assert float(most_alike(images, torch.rand(2, 3, 32, 32, generator=random)).max()) < 0.5


def test_copies_of_each_other_have_cosine_one_and_cover_as_much_as_one_image():
    labels = torch.tensor([0, 0, 1, 1])
    axes = torch.eye(4)
    apart, copies = axes[[0, 1, 2, 3]], axes[[0, 0, 2, 2]]
    assert nearest_of_own(apart, labels) == 0 and nearest_of_own(copies, labels) == 1
    real, of = axes.repeat(5, 1), torch.tensor([0, 0, 1, 1]).repeat(5)
    assert coverage(apart, labels, real, of) == pytest.approx(1)
    assert coverage(copies, labels, real, of) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="class 1 has 1 image"):
        nearest_of_own(apart[:3], labels[:3])


def test_coverage_is_the_effective_share_of_images_that_are_nearest_to_real_ones():
    labels, real = torch.zeros(4, dtype=torch.int64), torch.eye(4)[[0, 0, 0, 1]]
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))) / 4
    assert coverage(3 * torch.eye(4), labels, real, labels) == pytest.approx(expected)


def test_a_run_finds_the_real_images_that_a_set_copies(small_run, small_weights, here, monkeypatch):
    monkeypatch.setitem(STRENGTHS, "JPEG quality", (100.0, 10.0))
    for kind in ("blur, px", "noise", "side, px"):
        monkeypatch.delitem(STRENGTHS, kind)
    chosen = {"kind": "baseline", "baseline": {"choice": "random"}, "evaluate_on": [], "name": "real"}
    chosen["images_per_class"] = 2
    copied = change(small_run, chosen)
    made = start(copied, here)
    assert work(made, here) == "finished"
    asked = {"kind": "style", "source": "real", "evaluate_on": [small_weights], "look": {"views": 2}}
    run = start(change(small_run, asked), here)
    assert work(run, here) == "finished"
    found = run.findings()
    assert [one["nearest"] for one in found["copies"]] == made_indices(made)  # real images are copies of themselves
    assert min(one["ssim"] for one in found["copies"]) > 0.99 and min(one["cosine"] for one in found["copies"]) > 0.99
    ((accuracies,),) = [list(rows.values()) for rows in found["damage"].values()]
    assert len(accuracies) == 2 and all(0 <= value <= 1 for value in accuracies)
    assert read_json(here.thumbs / found["thumbs"] / "index.json")["split"] == "train"
    (diversity,) = found["diversity"]
    assert -1 <= diversity["cosine"] < 1 and 0.5 <= diversity["coverage"] <= 1  # of three real images a class, two
    assert "coverage of the class's real images, %" in str(tables(found)[-1])
    assert run.problems() == [] and [title.split(":")[0] for title, _, _ in tables(found)][0] == "real"


def made_indices(run) -> list[int]:
    return read_json(run.choice)["indices"]
