"""The panel of RCIG on the Watch page, through Streamlit's test harness."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.runs.files import append_line
from lgm_core.runs.store import RunStore
from pages.parts.rcig import label_figure, length_figure, trace_figure
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


def test_the_figures_say_what_the_lines_say():
    lines = [_line(step) for step in range(20)]
    assert label_figure(lines[0]["labels"]).data[0].zmax == 2.0
    named = label_figure([[1.0, 0.0], [0.5, 0.2], [0.0, 1.0], [0.1, 0.9]], ["tench", "a name that is long"], 2)
    assert list(named.layout.yaxis.ticktext) == ["tench", "tench", "a name that…", "a name that…"]
    assert list(named.layout.xaxis.ticktext) == ["tench", "a name that…"]
    assert label_figure([[0.0] * 30], [str(place) for place in range(30)]).layout.xaxis.ticktext is None
    traces = trace_figure(lines).data
    assert len(traces) == 6 and traces[-1].name == "step 19" and list(traces[0].y) == [1.0, 0.5, 0.25]
    assert [list(line.x) for line in length_figure(lines).data] == [list(range(20))] * 2
    assert not trace_figure([{"step": 0, "inner": []}]).data
