"""Patches: colours on shared axes, turned onto another backbone's; and evidence that adds up to the head's score."""

import pytest
import torch
from PIL import Image

from lgm_core.analysis.patch_colours import colours, fit_axes, turn_onto
from lgm_core.analysis.patches import averaging_point
from lgm_core.backbones.frozen import open_backbone
from lgm_core.base.errors import ConfigError
from lgm_core.base.tensor_files import save_tensors
from lgm_core.cli.main import main
from lgm_core.engine import work
from lgm_core.evaluation.converged import ConvergedHead
from lgm_core.evaluation.seen import Seen
from lgm_core.presets import change
from lgm_core.reports.command import command_of_run
from lgm_core.reports.findings import tables
from lgm_core.runs.start import start

random = torch.Generator().manual_seed(0)


def test_axes_are_whitened_and_shared_by_all_images():
    maps = torch.randn(6, 20, 7, 7, generator=random) * torch.arange(1, 21.0)[:, None, None]
    axes = fit_axes(maps)
    scores = axes.scores(maps).permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(scores @ scores.T / scores.shape[1], torch.eye(16), atol=1e-3, rtol=1e-3)
    assert axes.explained[0] > axes.explained[15] > 0
    alone = axes.scores(maps[2:3])
    torch.testing.assert_close(alone, axes.scores(maps)[2:3])  # an image's place does not depend on the others shown
    shown = colours(axes.scores(maps))
    assert shown.shape == (6, 7, 7, 3) and shown.min() == 0 and shown.max() == 1


def test_a_turned_map_is_turned_back_and_another_is_not():
    scores = torch.randn(4, 5, 16, 16, generator=random)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=random))
    turned, fit = turn_onto(scores, torch.einsum("nkhw,kl->nlhw", scores, turn))
    assert fit == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(turned, scores, atol=1e-4, rtol=1e-4)
    assert turn_onto(scores, torch.randn(4, 5, 16, 16, generator=random))[1] < 0.3


def test_the_margins_of_a_head_are_its_scores_less_their_mean():
    labels = torch.arange(3).repeat(30)
    features = torch.randn(90, 1, 8, generator=random) + labels[:, None, None]
    head = ConvergedHead(Seen(features, labels), classes=3)
    weight, constant = head.margins()
    scores = head.scores(features[:, 0])
    torch.testing.assert_close(features[:, 0] @ weight.T + constant, scores - scores.mean(dim=1, keepdim=True))


def test_the_point_whose_features_are_the_mean_of_its_patches(small_weights, here):
    for name in (small_weights, f"{small_weights}@stage2.pool"):
        backbone = open_backbone(averaging_point(name, open_backbone(name, here)), here)
        images = torch.rand(2, 3, 160, 160)
        maps = backbone.map_of(backbone.normalise(images))
        torch.testing.assert_close(maps.mean(dim=(2, 3)), backbone(images), rtol=1e-4, atol=1e-5)
    plain = open_backbone(small_weights, here)
    assert averaging_point("dinov2_vits14@block3.cls", plain) == "dinov2_vits14@block3.mean"


@pytest.mark.slow
def test_a_run_shows_a_sets_images_beside_real_ones(small_run, small_weights, here, capsys, monkeypatch):
    made = start(change(small_run, {"steps": 4, "evaluate_on": [], "name": "made"}), here)
    assert work(made, here) == "finished"
    asked = {"kind": "patches", "source": made.id, "evaluate_on": [small_weights, f"{small_weights}@stage2.pool"]}
    run = start(change(small_run, asked | {"look": {"classes": 4}}), here)
    assert work(run, here) == "finished"
    found = run.findings()
    assert found["labels"] == [0, 1, 2, 3, 0, 1, 2, 3] and found["set_images"] == len(found["real_indices"]) == 4
    assert [(one["backbone"] == small_weights, one["what"]) for one in found["atlases"]] == [
        (True, "images"), (True, "colours"), (True, "evidence"), (False, "colours"), (False, "evidence")
    ]  # fmt: skip
    for atlas in found["atlases"]:
        with Image.open(run.frames / atlas["file"]) as picture:
            assert picture.size == (atlas["columns"] * atlas["side"], atlas["rows"] * atlas["side"])
    first, second = found["backbones"]
    assert (first["point"], first["fit"], second["point"]) == ("final.pool", 1.0, "stage2.pool")
    assert 0 < second["fit"] < 1 and len(first["margins"]) == len(first["predicted"]) == 8
    assert run.problems() == [] and len(tables(found)[0][2]) == 2
    assert command_of_run(run).startswith(f"python -m lgm_core patches {made.id} ")


@pytest.mark.slow
def test_a_contrast_set_has_evidence_for_both_meanings(small_run, small_weights, here):
    """What speaks for the other meaning of an image is what speaks for its class where that is its class."""
    pictures = torch.rand(10, 3, 32, 32, generator=random)
    both = {"backbone": f"{small_run.backbone}+{small_weights}", "lgm": {"contrast": "rolled"}, "name": "both"}
    sets = [(pictures, both), (pictures.roll(1, 0), {"name": "other"})]
    found = []
    for images, settings in sets:
        made = start(change(small_run, settings | {"evaluate_on": []}), here)
        save_tensors({"images": images, "labels": torch.arange(10)}, made.synthetic)
        asked = {"kind": "patches", "source": made.id, "evaluate_on": [small_weights]}
        run = start(change(small_run, asked), here)
        assert work(run, here) == "finished" and run.problems() == []
        found.append(run.findings())
    contrast, plain = found
    assert contrast["other_labels"] == [*range(1, 10), 0] * 2 and "other_labels" not in plain
    assert [one["what"] for one in contrast["atlases"]] == ["images", "colours", "evidence", "other"]
    (seen,), (told,) = contrast["backbones"], plain["backbones"]
    assert seen["other_margins"][:9] == pytest.approx(told["margins"][1:10], abs=2e-3)
    assert seen["margins"][:10] != pytest.approx(seen["other_margins"][:10], abs=2e-3)
    assert tables(contrast)[0][1][3] == "as the second backbone means them"


def test_patches_need_a_run(small_run, here, capsys):
    with pytest.raises(ConfigError, match=r"lgm patches RUN \[BACKBONE ...\]"):
        start(change(small_run, {"kind": "patches"}), here)
    assert main(["patches"]) and "which run's images?" in capsys.readouterr().err
