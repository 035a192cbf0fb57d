"""Coloured frames around any data set: what they tell in training and in the test, and who falls for them."""

import numpy as np
import pytest
import torch

from lgm_core.base.errors import ConfigError, UnknownName
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row, status
from lgm_core.datasets.framed import framed
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.engine import start, work
from lgm_core.evaluation.probe import score_best
from lgm_core.presets import change
from lgm_core.reports.page import run_report
from lgm_core.runs.store import RunFolder


def test_frames_tell_the_class_in_training_and_nothing_in_the_test():
    train, test = open_dataset("framed:digits", ())
    plain, _ = open_dataset("digits", ())
    assert train.group_names == tuple(f"frame of {name}" for name in train.classes) and len(train) == len(plain)
    agrees = (train.groups == train.labels).double().mean()
    assert 0.93 < agrees < 0.98  # 95 %, and a tenth of the others by chance
    assert 0.05 < (test.groups == test.labels).double().mean() < 0.16
    assert torch.bincount(test.groups, minlength=10).min() > 0.5 * len(test) / 10
    again, _ = framed(plain, open_dataset("digits", ())[1], "framed:digits")
    assert again.fingerprint == train.fingerprint != plain.fingerprint and torch.equal(again.groups, train.groups)


def test_the_frame_is_left_by_the_usual_crop_and_the_middle_is_the_image():
    train, _ = open_dataset("framed:scenes", ())
    plain, _ = open_dataset("scenes", ())
    shown, bare = (
        load_squares(one, [0], resize=64, crop=56).numpy()[0].transpose(1, 2, 0).astype(int) for one in (train, plain)
    )
    edge = np.array([shown[0, 28], shown[55, 28], shown[28, 0], shown[28, 55], shown[3, 3]])
    assert np.ptp(edge, axis=0).max() <= 8 and np.ptp(edge[0]) > 100  # one strong colour
    middle = (slice(20, 36), slice(20, 36))
    assert np.abs(shown[middle] - bare[middle]).mean() < 6


def test_names_lead_to_what_is_framed(here: Places):
    row = find_row("framed:imagenet_100")
    assert row.name == "framed:imagenet-100" and row.grouped and row.title.endswith("with coloured frames")
    assert status(find_row("framed:digits"), here) == "ready"
    with pytest.raises(UnknownName, match="did you mean 'scenes'"):
        find_row("framed:scene")
    with pytest.raises(ConfigError, match="frames are drawn around images of the catalogue"):
        find_row("framed:framed:scenes")


def test_the_confusion_of_groups_counts_what_each_group_is_taken_for():
    labels, groups = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 0, 1, 1])
    predicted = torch.tensor([0, 1, 0, 1, 1])  # whatever the frame says
    report = score_best(predicted[None, :, None], labels, classes=2, groups=groups, group_count=2)
    assert report["group_confusion"] == [[2, 0], [0, 3]] and report["per_group"] == [0.5, pytest.approx(2 / 3)]


@pytest.mark.slow
def test_a_run_on_frames_is_judged_by_frame_and_reports_them(small_run: RunConfig, here: Places):
    config = change(small_run, {"dataset": "framed:digits"})
    run: RunFolder = start(config, here)
    assert work(run, here) == "finished"
    (report,) = run.eval_reports()
    assert report["groups"][3] == "frame of 3" and len(report["group_confusion"]) == 10
    assert sum(map(sum, report["group_confusion"])) == report["test_images"]
    assert "Confusion by group" in run_report(run)
