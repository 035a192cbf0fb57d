"""Names of caches, runs and studies are made from whatever a user typed, and stay what they were: or they are lost."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.names import file_name
from lgm_core.config import RunConfig
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.reports.card import plain
from lgm_core.runs.store import run_id
from pages.parts.server import background

FOLDER, HIDDEN, OPEN, LONG = "folder:/data/my set", "../..hidden/.x", "open_clip:ViT-B-32/openai", "a" * 70 + "/é%"


class Nothing(ImageSet):
    name, fingerprint = LONG, "0123456789abcdef01"
    classes, group_names, groups, labels = (), (), None, torch.zeros(0, dtype=torch.int64)

    def picture(self, index: int):
        raise NotImplementedError

    def origin(self, index: int) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("text", "safe", "safe_in_a_study"),
    [
        (FOLDER, "folder__data_my_set", "folder__data_my_set"),
        (HIDDEN, ".._..hidden_.x", ".._..hidden_.x"),
        (OPEN, "open_clip_ViT-B-32_openai", "open_clip_ViT_B_32_openai"),
        ("Größe-1.5_b", "Größe-1.5_b", "Größe_1.5_b"),
        ("tab\there|<b>", "tab_here__b_", "tab_here__b_"),
        ("", "", ""),
    ],
)
def test_a_text_as_part_of_a_file_name(text: str, safe: str, safe_in_a_study: str):
    assert file_name(text) == safe and file_name(text, keep=".") == safe_in_a_study
    assert file_name("a-b.c/d_e", keep="") == "a_b_c_d_e"


def test_caches_are_found_under_the_names_that_they_have(tmp_path):
    key = Thumbnails(Nothing(), LONG, "train", tmp_path).key
    assert key == "a" * 57 + "_é_-train-0123456789ab"
    np.save(tmp_path / f"{'a' * 57}_é_-32px-3-0123456789abcdef.npy", np.full((1, 3, 2, 2), 7, dtype=np.uint8))
    assert fitted_pixels(Nothing(), 32, tmp_path).unique().tolist() == [7]


def test_runs_and_studies_have_the_names_that_they_had():
    names = (FOLDER, HIDDEN, LONG)
    ids = [run_id(replace(RunConfig(), dataset=name, backbone=name)) for name in names]
    assert [name[13:].rpartition("-")[0] for name in ids] == [
        "-lgm-folder__data_my_set-folder__data_my_set",
        "-lgm-.._..hidden_.x-.._..hidden_.x",
        f"-lgm-{'a' * 70}_é_-aa",
    ]
    plan = plan_study(replace(RunConfig(), name="demo", backbone=OPEN), StudyFlags(seeds=1, baselines=False))
    assert [config.name for config in plan] == ["demo-lgm-open_clip_ViT_B_32_openai-s0"]


def test_exports_and_work_in_the_background_are_never_hidden_or_nameless():
    assert [plain(name) for name in (HIDDEN, LONG, "", "...")] == ["hidden_.x", "a" * 60, "class", "class"]
    found = [background._plain(name) for name in (HIDDEN, OPEN, "", "...")]
    assert found == ["_..hidden_.x", "open_clip_ViT-B-32_openai", "work", "work"]
