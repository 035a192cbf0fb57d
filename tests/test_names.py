"""Names of caches, runs and studies are made from whatever a user typed, and stay what they were: or they are lost."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lgm_core.analysis.thumbnails import Thumbnails
from lgm_core.base.download import file_sha256
from lgm_core.base.errors import ConfigError, UserError
from lgm_core.base.files import read_json
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.names import file_name
from lgm_core.cli import compute
from lgm_core.config import RunConfig, validate
from lgm_core.datasets.fitted import fitted_pixels
from lgm_core.jobs.study import StudyFlags, plan_study
from lgm_core.reports.card import plain
from lgm_core.runs.start import start
from lgm_core.runs.store import RunStore, run_id
from lgm_core.runs.trash import Trash
from pages.parts.launch.plan import make_plan
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
    file = tmp_path / f"{'a' * 57}_é_-32px-3-0123456789abcdef.npy"
    np.save(file, np.full((1, 3, 2, 2), 7, dtype=np.uint8))
    file.with_suffix(".json").write_text(json.dumps({"sha256": file_sha256(file)}))
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


HOSTILE = ("../x", "/etc/x", "a/b", ".hidden", "..", "a\0b", "a\nb", "é" * 128, "x" * 201, "\udcff", "a\\b")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("setting", ["name", "study", "source"])
def test_a_name_that_leads_elsewhere_is_refused_before_the_work(setting: str, name: str, here):
    config = replace(RunConfig(), **{setting: name})
    with pytest.raises(ConfigError, match=f"^{setting} is the name of a .* (contains|starts|has|is not)"):
        start(config, here)
    assert not here.runs.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_study_of_such_a_name_makes_no_folder(name: str, here, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    plan = plan_study(replace(RunConfig(), name=name), StudyFlags(seeds=1))
    begins = (lambda: compute.start_and_work(plan, ""), lambda: make_plan(RunConfig(), ["conv"], name, StudyFlags()))
    for begin in begins:
        with pytest.raises(ConfigError, match="^study is the name of a study"):
            begin()
    assert not here.runs.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_such_a_name_opens_no_run_and_is_left_out_of_a_config_on_disk(name: str, tmp_path):
    store = RunStore(tmp_path / "runs")
    outside = RunStore(tmp_path).create(replace(RunConfig(), name="x"), {})
    run = store.create(RunConfig(name="one"), {})
    for door in (store.open, Trash(store).put, Trash(store).restore):
        with pytest.raises(UserError):
            door(name)
    assert outside.config_file.exists()
    written = read_json(run.config_file)
    written["config"] |= {"name": name, "study": name, "source": name, "sources": [name]}
    run.config_file.write_text(json.dumps(written))
    if name == "\udcff":  # nor is it text that could be printed
        with pytest.raises(UserError, match="half a letter"):
            run.config()
        return
    read = run.config()
    assert (read.name, read.study, read.source, read.sources) == ("", "", "", ())
    assert len(run.notes()) == 4 and all("is the name of" in note for note in run.notes())


def test_the_limit_of_a_name_is_said_and_holds_for_names_that_are_made(here):
    with pytest.raises(ConfigError, match="has 201 bytes, and the limit is 200"):
        validate(RunConfig(name="x" * 201))
    assert validate(RunConfig(name="é" * 100)).name
    assert len(run_id(replace(RunConfig(), dataset="folder:/" + "𝒳" * 90)).encode()) <= 200
