"""The panel of RCIG on the Watch page, through Streamlit's test harness."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.base.files import append_line, read_json, write_json
from lgm_core.runs.store import RunStore
from pages.parts.methods.rcig import label_figure, length_figure, live_caption, trace_figure
from tests.fake_runs import fake_distill

ROOT = Path(__file__).parent.parent


def _line(step: int) -> dict:
    norms = {"pixels": 0.5 / (step + 1), "targets": 0.1, "log_temperature": 0.0}
    return {"step": step, "inner": [0.4, 0.2, 0.1], "solve": [0.0, -1.0, None], "direct_norm": norms,
            "implicit_norm": norms, "labels": [[0.9, -0.1], [-2.0, 0.5]], "label_rows": "images",
            "temperature": 1.5}  # fmt: skip


def _watch(run_id: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    test.query_params["run"] = run_id
    return test.switch_page("pages/watch.py").run()


@pytest.mark.parametrize("method", ["rcig", "lgm"])
def test_the_panel_is_shown_for_rcig_alone(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    run = fake_distill(RunStore(tmp_path / "runs"), name="theirs", method=method, backbone="conv")
    append_line(run.details_file, _line(0))
    test = _watch(run.id)
    assert not test.exception
    shown = {metric.label: metric.value for metric in test.metric}
    assert ("Temperature" in shown) == (method == "rcig")
    if method == "rcig":
        assert shown["Temperature"] == "1.50" and shown["Implicit share"] == "–"


def test_a_run_before_its_first_frame_has_no_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    run = fake_distill(RunStore(tmp_path / "runs"), "queued", name="soon", method="rcig", backbone="conv")
    assert not _watch(run.id).exception


def test_the_accuracy_on_the_way_is_told_from_that_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    told = {"live": {"times": 5, "test_images": 300, "steps": 120}, "scratch": {"learning_rate": 0.0002}}
    run = fake_distill(RunStore(tmp_path / "runs"), name="theirs", method="rcig", backbone="conv", **told)
    append_line(run.details_file, _line(0))
    first = "Accuracy during the run: one network, trained for 120 steps at a rate of 0.002 and tested on"
    assert f"{first} up to 300 images." in [caption.value for caption in _watch(run.id).caption]
    judged = read_json(run.evals / "mobilenet_v2-on-imagenette.json")
    judged |= {"backbone": "conv", "steps": 1000, "learning_rate": 0.0002, "test_images": 250}
    write_json(run.evals / "conv-on-imagenette.json", judged)
    others = "The table below: 3 networks, each trained for 1,000 steps at 0.0002 and tested on 250."
    words = f"{first} 250 images. {others} The two may differ."
    assert words in [caption.value for caption in _watch(run.id).caption]
    assert not live_caption(told | {"live": {"times": 0}})


@pytest.mark.parametrize("each", [1, 2, 10])
def test_the_heat_map_names_the_classes_of_its_rows(each: int):
    names = ["tench", "a name that is long"]
    figure = label_figure([[1.0, 0.0]] * each + [[0.0, 1.0]] * each, names, each)
    down, across = figure.layout.yaxis, figure.layout.xaxis
    assert list(down.tickvals) == [(each - 1) / 2, each + (each - 1) / 2] and list(across.tickvals) == [0, 1]
    assert list(down.ticktext) == list(across.ticktext) == ["tench", "a name that…"]
    assert list(figure.data[0].text[-1]) == [f"{names[1]} image, {name}" for name in names]


def test_the_heat_map_tilts_long_names_alone_and_numbers_many_classes():
    digits = [str(place) for place in range(10)]
    square = [[0.0] * 10] * 10
    assert label_figure(square, digits).layout.xaxis.tickangle == 0
    assert label_figure(square, [f"class {digit}" for digit in digits]).layout.xaxis.tickangle == -60
    many = [str(place) for place in range(30)]
    assert label_figure([[0.0] * 30] * 30, many).layout.xaxis.ticktext is None
    assert label_figure([[0.0] * 30], many).layout.xaxis.ticktext is None
    assert label_figure(square[:4], digits).layout.yaxis.ticktext is None  # rows of which classes is not known


def test_the_figures_say_what_the_lines_say():
    lines = [_line(step) for step in range(20)]
    assert label_figure(lines[0]["labels"]).data[0].zmax == 2.0
    traces = trace_figure(lines).data
    assert len(traces) == 6 and traces[-1].name == "step 20" and list(traces[0].y) == [1.0, 0.5, 0.25]
    assert [list(line.x) for line in length_figure(lines).data] == [list(range(1, 21))] * 2
    assert not trace_figure([{"step": 0, "inner": []}]).data
