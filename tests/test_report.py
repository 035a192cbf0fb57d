"""The report, the gallery site and the export: complete, self-contained, safe, and the same images as on disk."""

import io
import json
import re
import shlex
import shutil
import zipfile
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from lgm_core.base.errors import UserError
from lgm_core.cli.flags import parse_config
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig
from lgm_core.presets import change, preset
from lgm_core.reports.card import card, export_zip, write_export
from lgm_core.reports.command import command
from lgm_core.reports.markup import Series, curve, data, heat_table, page, ticks
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.pictures import labels, pictures
from lgm_core.reports.site import site_zip, write_site
from lgm_core.runs.store import RunFolder, RunStore
from tests.browser import expect
from tests.fake_findings import fake_card, fake_look
from tests.fake_runs import BACKBONES, CLASSES, ERROR, fake_distill, fake_eval, fake_study

NASTY = "</script><script>alert(1)</script>"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(store) -> RunFolder:
    """A finished run whose images are known exactly."""
    made = fake_distill(store, name="one", backbone=BACKBONES[0], evaluate_on=list(BACKBONES[:2]), preset="preview")
    images = np.zeros((10, 3, 32, 32), np.float32)
    images[:, 0] = np.linspace(0, 1, 10, dtype=np.float32)[:, None, None]
    save_file({"images": images, "labels": np.arange(10)}, made.synthetic)
    return made


def test_a_report_tells_what_instruments_found(store, run):
    copies = [{"image": 0, "label": 0, "nearest": 3, "cosine": 0.71, "ssim": 0.2}]
    found = {"source": "one", "strengths": {"blur": [0, 2]}, "damage": {"blur": {BACKBONES[0]: [0.8, 0.55]}}}
    found |= {"images": 10, "side": 32, "real_images": 400, "backbones": [BACKBONES[0]], "copies": copies}
    thirds = [[0.2, 0.5, 0.3]] * 3
    found |= {"power": {"set": [], "real": []}, "lab": {"centres": thirds, "set": thirds, "real": thirds}}
    fake_look(store, "style", BACKBONES[0], found, source="one")
    told = run_report(run, store.looking_at("one"))
    assert "one: top-1 in % by blur of its own images" in told and "<td>55.0</td>" in told and "<td>0.710</td>" in told
    card = run_report(fake_card(store, BACKBONES[0], thumbs="none"))
    assert "effective dimension" in card and "No images yet" not in card and "No images yet" not in told


def outside(html: str) -> list[str]:
    """Addresses that a page would have to fetch."""
    found = re.findall(r"""(?:src|href)=["']([^"']+)|url\(["']?([^"')]+)|@import|fetch\(""", html)
    return [a or b for a, b in found if not (a or b).startswith(("data:", "#"))]


def test_a_run_in_one_file(run):
    html = run_report(run)
    assert outside(html) == []
    for text in (
        "python -m lgm_core distill imagenette mobilenet_v2",
        *CLASSES,
        "torch",
        "2.15.0",
        "Apache-2.0",
        "80.0",
    ):
        assert text in html, text
    told = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', html)[0])
    assert told["steps"] == [line["step"] + 1 for line in run.frame_list()]
    assert len(told["frames"]) == len(told["steps"])
    assert html.count("<polyline") == 3  # loss and two judges
    assert "the nearest class mean in mobilenet_v2" in html
    assert "@media print" in html and "beforeprint" in html


def test_accuracies_say_on_how_many_images_and_the_last_step_is_the_number_of_steps(run, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    html = run_report(run)
    assert "Measured on 500 of 3,925 test images." in html and "<figcaption>step 60</figcaption>" in html
    assert show_run(run.id) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "step 60 of 60" in told and "on 500 of 3,925 test images" in told


def test_an_axis_in_percent_begins_at_zero():
    points = [(1.0, 0.8), (60.0, 0.9)]
    assert ">0 %</text>" in curve("a", [Series(name="a", points=points)], percent=True)
    assert ">0</text>" not in curve("a", [Series(name="a", points=points)])


@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed", "lost"])
def test_a_run_in_any_state(store, state):
    html = run_report(fake_distill(store, state, name="one"))
    assert f'class="badge {state}"' in html
    assert (ERROR in html) == (state == "failed")
    assert ("No images yet" in html) == (state == "queued")


def test_the_budget_stands_beside_the_accuracies_of_a_run(store):
    judged = run_report(fake_distill(store, name="one", steps=60, lgm={"views": 5}))
    assert re.search(r"Their budget: [\d,]+ s of steps, 3,000 views seen, 1 backbone, all training labels\.", judged)
    assert "Their budget" not in run_report(fake_distill(store, "running", name="two", evaluate_on=()))


def test_a_study_holds_its_matrix_and_its_runs(store):
    html = study_report("demo", fake_study(store))
    assert outside(html) == []
    assert "85.5 ± 0.5" in html and "90.0" in html  # raw, and relative to all real images
    assert html.count('class="player"') == 4
    assert "all real images" in html


def test_a_study_without_any_result_is_headed_by_the_judge_that_was_asked_for(store, capfd, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(store.root.parent))
    run = fake_distill(store, "running", name="one-lgm", study="one", protocol=("paper",))
    show_run("one")
    words = "linear heads on frozen backbones, trained as in the paper"
    assert words in " ".join(capfd.readouterr().out.split()) and words in unescape(study_report("one", [run]))


def test_text_from_disk_stays_text(store):
    run = fake_distill(store, name="one", dataset=f"folder:{NASTY}", study=NASTY.replace("/", ""))
    for backbone in BACKBONES[:2]:
        fake_eval(run, backbone, [NASTY] * 10, 0.5)
    html = run_report(run)
    assert "<script>alert" not in html
    assert "</script><script>" not in data({"name": NASTY})
    assert "<script>alert" not in study_report(NASTY, [run])
    outside_code = "".join(card(run).split("```")[::2])
    assert "<script>alert" not in outside_code


def test_the_command_means_the_same_config():
    changes = {"lgm": {"views": 4, "learning_rate": 0.005}, "synthetic": {"decorrelate_colour": False}}
    base = preset(
        "paper", dataset="scenes", backbone="mobilenet_v2", steps=6000, evaluate_on=["clip_vitb16", "dino_vits8"]
    )
    config = change(base, changes, {"augment": {"flip": False}})
    words = shlex.split(command(config))
    assert words[:4] == ["python", "-m", "lgm_core", "distill"]
    assert parse_config(words[4:], prog="lgm distill", positional=("dataset", "backbone")) == config


def test_the_command_of_a_baseline_and_of_an_evaluation():
    baseline = change(RunConfig(kind="baseline"), {"baseline": {"choice": "centroids"}})
    assert " baseline centroids scenes tf_efficientnet_lite0" in command(baseline)
    evaluation = RunConfig(kind="evaluate", source="one two", evaluate_on=("clip_vitb16",))
    assert command(evaluation) == "python -m lgm_core evaluate 'one two' clip_vitb16"


def test_pictures_are_the_images(run):
    found = list(pictures(run))
    assert [picture.getpixel((5, 5)) for picture in found] == [(round(255 * k / 9), 0, 0) for k in range(10)]
    assert [picture.size for picture in pictures(run, side=16, limit=3)] == [(16, 16)] * 3


def test_an_unfinished_run_shows_its_newest_frame(store):
    run = fake_distill(store, "running", name="half", images_per_class=2)
    assert labels(run) == [place // 2 for place in range(20)]
    assert len(list(pictures(run))) == 20


def test_export_is_the_set_with_its_card(run, tmp_path):
    folder = write_export(run, tmp_path / "out")
    assert (load_file(folder / "synthetic.safetensors")["labels"] == np.arange(10)).all()
    with Image.open(folder / "images" / "0009_parachute" / "000.png") as picture:
        assert picture.size == (32, 32) and picture.getpixel((0, 0)) == (255, 0, 0)
    text = (folder / "README.md").read_text()
    for wanted in ("Apache-2.0", "BSD-3-Clause", "80.0 ± 0.4", "--preset preview", "tench", "mobilenet_v2"):
        assert wanted in text, wanted
    assert json.loads((folder / "config.json").read_text())["config"]["steps"] == 60
    with zipfile.ZipFile(io.BytesIO(export_zip(run))) as archive:
        assert archive.testzip() is None
        assert "one/images/0000_tench/000.png" in archive.namelist()


def test_nothing_to_export_is_said(store):
    with pytest.raises(UserError, match="let it finish first"):
        write_export(fake_distill(store, "running", name="half"), store.root.parent / "out")


def test_class_names_cannot_leave_the_folder(run, tmp_path):
    shutil.rmtree(run.evals)
    fake_eval(run, BACKBONES[0], ["../../../evil", "..", "a/b", *CLASSES[3:]], 0.5)
    folder = write_export(run, tmp_path / "deep" / "out")
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")}
    assert all(path.parts[:2] == ("deep", "out") for path in written) and len(written) == 10
    assert sorted(path.name for path in (folder / "images").iterdir())[:3] == ["0000_evil", "0001_class", "0002_a_b"]


def test_the_site_links_only_to_what_it_has(store, tmp_path):
    runs = fake_study(store, seeds=1) + [fake_distill(store, "running", name="half")]
    folder = write_site(runs, tmp_path / "site", title="Ten <images>")
    index = (folder / "index.html").read_text()
    assert "Ten &lt;images&gt;" in index
    assert len(outside(index)) > len(runs)  # a page each, covers, the study
    for file in folder.rglob("*.html"):
        for link in outside(file.read_text()):
            assert (file.parent / link).resolve().is_relative_to(folder), link
            assert (file.parent / link).exists(), link
    assert "top-1 85.0 ± 0.4 % on mobilenet_v2" in (folder / "index.html").read_text()
    with zipfile.ZipFile(io.BytesIO(site_zip(runs[:1]))) as archive:
        assert "index.html" in archive.namelist()


def test_curves_have_round_ticks_and_stay_inside():
    assert ticks(0.0, 1.0) == [0.0, 0.25, 0.5, 0.75, 1.0] or ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    svg = curve("flat", [Series(name="a", points=[(0.0, 0.5), (10.0, 0.5)])])
    assert "nan" not in svg.lower() and "<polyline" in svg
    assert curve("none", [Series(name="a", points=[])]) == ""
    assert "NaN" not in heat_table(["", "a"], [("b", [(None, "-")]), ("c", [(0.5, "50")])])
    assert page("a", "b").startswith("<!doctype html>")


def test_the_player_plays_in_a_browser(page, run, tmp_path):
    """Opened from disk, as a colleague would: the arrow keys move the picture and the line on the curves."""
    file = tmp_path / "report.html"
    file.write_text(run_report(run))
    page.goto(file.as_uri())
    player, cursor = page.locator(".player"), page.locator(".cursor").first
    expect(player.locator("output")).to_have_text("step 60")
    expect(player.locator("img").first).to_have_attribute("src", re.compile("^data:image"))
    picture, place = player.locator("img").first.get_attribute("src"), cursor.get_attribute("transform")
    player.press("Home")
    expect(player.locator("output")).to_have_text("step 1")
    expect(player.locator("img").first).not_to_have_attribute("src", picture)
    expect(cursor).not_to_have_attribute("transform", place)
    player.get_by_role("button").click()
    expect(player.locator("output")).not_to_have_text("step 1")
    page.wait_for_function("() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)")
