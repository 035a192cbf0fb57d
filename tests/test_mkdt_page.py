"""The panel of MKDT on the Watch page: its stages in one line, the matching loss by expert and epoch, the step size."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import append_line, write_json
from lgm_core.methods.mkdt import told
from lgm_core.runs.store import RunStore
from pages.parts.methods.mkdt import STAGES, loss_figure, stage_line
from pages.parts.player.player import player_data
from tests.fake_runs import fake_distill

ROOT = Path(__file__).parent.parent


def _watch(run_id: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    test.query_params["run"] = run_id
    return test.switch_page("pages/watch.py").run()


def _line(step: int) -> dict:
    return {"step": step, "loss": 1 - 0.1 * step, "rate": 0.09, "expert": 2.0, "start_epoch": float(step % 2),
            "experts_used": 3.0}  # fmt: skip


def test_the_panel_tells_loss_step_size_and_experts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    run = fake_distill(RunStore(tmp_path / "runs"), name="theirs", method="mkdt", backbone="conv:instance")
    assert not _watch(run.id).exception
    run.metrics_file.unlink()
    for step in range(4):
        append_line(run.metrics_file, _line(step))
    test = _watch(run.id)
    shown = {metric.label: metric.value for metric in test.metric}
    assert not test.exception and shown["Matching loss"] == "0.850" and shown["Step size"] == "0.09"
    assert shown["Experts visited"] == "3 of 100"
    assert any("✓] experts" in words.value for words in test.markdown)


def test_the_stages_are_one_line():
    def marked(phase: str, matched: bool = False, state: str = "running") -> tuple[int, str]:
        words = stage_line(list(STAGES), phase, 3, 10, matched, state).split(" → ")
        assert len(words) == len(STAGES)
        now = [word for word in words if word.startswith("**")]
        return sum("✓" in word for word in words), now[0] if now else ""

    assert marked("features of cifar10/train in x")[0] == 0
    assert marked("experts: 2 of 4") == (1, "**experts** (experts: 2 of 4, 3 of 10)")
    assert marked("the hardest images")[0] == 2 and marked("distilling", True)[0] == 3
    assert marked("pre-training conv", True)[0] == 4 and marked("opening x", True)[0] == 3
    assert marked("", True, "finished") == (5, "")
    without = [name for name in STAGES if name != "hardest images"]
    assert "**matching** (distilling, 3 of 10)" in stage_line(without, "distilling", 3, 10, True, "running")


def test_the_loss_has_a_colour_for_each_start_and_names_its_expert():
    figure = loss_figure([_line(step) for step in range(5)])
    assert [trace.name for trace in figure.data] == ["from epoch 0", "from epoch 1"]
    assert list(figure.data[0].x) == [1, 3, 5] and figure.data[1].text[0] == "expert 3"


STAGES_TOLD = {
    "teacher": "dinov2_vits14", "entries": 384, "images": 5000, "scale": "unit scale", "experts": 3, "epochs": 2,
    "parameters": 21_000, "losses": [0.9, 0.8], "begun_with": "high-loss", "taken": 100, "loss_taken": 1.75,
    "loss_all": 1.0,
}  # fmt: skip


def _metrics(steps: int, experts: int = 3) -> list[dict]:
    return [
        {"step": s, "loss": 1 - s / 16, "rate": 0.1, "expert": float(s % experts), "start_epoch": float(s % 2)}
        for s in range(steps)
    ]


def test_the_report_tells_the_matching_loss_by_epoch_and_quarter():
    lines = _metrics(16)
    by_epoch, _ = told.report_tables([], [*lines, {"step": 16, "loss": None}], [], [])
    _, headings, rows, _ = by_epoch
    assert len(headings) == 5 and [name for name, _ in rows] == ["epoch 0", "epoch 1"]
    assert [text for _, text in rows[0][1]] == ["0.938", "0.688", "0.438", "0.188"]  # steps 0 and 2, 4 and 6, ...
    assert rows[1][1][0][0] == pytest.approx(1 - 2 / 16)
    few = told.report_tables([], [lines[1], lines[15]], [], [])
    assert [text for _, text in few[0][2][0][1]] == ["0.938", "–", "–", "0.062"]
    assert told.report_tables([], [], [], []) == []


def test_the_report_tells_the_matching_loss_of_the_worst_experts():
    _, (title, headings, rows, note) = told.report_tables([], _metrics(16), [], [])
    assert "expert" in title and headings[1:] == ["steps", "mean", "newest"] and note == "3 experts were visited."
    assert [name for name, _ in rows] == ["expert 2", "expert 1", "expert 3"]  # the worst mean first
    assert [text for _, text in rows[0][1]] == ["5", f"{1 - 7 / 16:.3f}", f"{1 - 13 / 16:.3f}"]
    _, many = told.report_tables([], _metrics(90, 45), [], [])
    assert len(many[2]) == 20 and many[2][0][0] == "expert 1" and "45 experts were visited; those 20" in many[3]


def test_the_stages_before_the_matching_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    facts = dict(told.stage_facts([{"step": 3, "stages": STAGES_TOLD}]))
    assert facts["targets"] == "of dinov2_vits14, 384 entries (unit scale), 5,000 images"
    assert facts["experts"].startswith("3 of 21,000 parameters, 2 epochs each; mean squared error")
    assert facts["experts"].endswith("0.9, then 0.8")
    assert facts["begun with"] == "100 hardest real images, loss 1.75 (of all images 1)"
    for odd in ({}, {"stages": {**STAGES_TOLD, "images": "x"}}, {"stages": None}):
        assert told.stage_facts([odd]) == []
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    run = fake_distill(RunStore(tmp_path / "runs"), name="theirs", method="mkdt", backbone="conv:instance")
    run.metrics_file.unlink()
    for line in _metrics(40, 25):
        append_line(run.metrics_file, line)
    append_line(run.details_file, {"step": 39, "stages": STAGES_TOLD})
    test = _watch(run.id)
    shown = [words.value for words in test.markdown]
    assert not test.exception and any("100 hardest real images" in words for words in shown)
    (experts,) = [frame.value for frame in test.dataframe if "newest" in frame.value]
    assert len(experts) == 20 and experts["expert"][0] == 1


def test_images_of_unequal_classes_are_named_by_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    run = fake_distill(RunStore(tmp_path / "runs"), name="theirs", method="mkdt", backbone="conv:instance")
    usual = player_data(run, run.status())
    write_json(run.labels_file, {"labels": [1, 1, 0], "classes": ["cat", "dog"]})
    found = player_data(run, run.status())
    assert usual["owners"] == [] and usual["images"] == len(usual["classes"]) * usual["per_class"]
    assert found["owners"] == [1, 1, 0] and found["images"] == 3 and found["classes"] == ["cat", "dog"]
    assert not run.problems()
    run.labels_file.write_text("{")
    assert player_data(run, run.status())["owners"] == [] and any("labels.json" in words for words in run.problems())


def test_launch_offers_the_teacher_beside_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    test.query_params["preset"], test.query_params["set"] = "mkdt_preview", ["pretrain.teacher:conv:batch"]
    test.switch_page("pages/launch.py").run()
    (teacher,) = [box for box in test.selectbox if box.label == "Teacher"]
    assert not test.exception and teacher.value == "conv:batch" and "--pretrain.teacher conv:batch" in _command(test)
    assert not [box for box in test.text_input if box.label == "Teacher"]  # not a second time in All settings
    teacher.set_value("dinov2_vits14")
    [box for box in test.number_input if box.label == "Epochs"][0].set_value(7)
    test.run()
    assert "--pretrain.teacher dinov2_vits14" in _command(test) and "--pretrain.epochs 7" in _command(test)


def _command(test: AppTest) -> str:
    return " ".join(code.value.replace("\\\n", " ") for code in test.code).replace("  ", " ")
