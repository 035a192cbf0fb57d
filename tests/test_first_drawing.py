"""A browser may miss the first drawing of a page, as where something is clicked at once: the next one begins alike.

The browser takes a widget's default for its value where it sees the widget for the first time in a later drawing, and
sends it back as what was chosen.
"""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lgm_core.runs.store import RunStore
from tests.app import open_whole
from tests.fake_disagreement import fake_disagreement
from tests.fake_runs import BACKBONES, fake_distill

PAIR = {"dataset": "imagenette", "backbones": list(BACKBONES), "pair": f"{BACKBONES[0]}|{BACKBONES[2]}"}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    store = RunStore(tmp_path / "runs")
    for name in ("first", "second", "third"):
        fake_distill(store, name=name)
    fake_distill(store, "paused", name="fourth")
    fake_disagreement(store)
    return store


def begun(test: AppTest, label: str) -> list[str]:
    """What the page's last drawing makes a widget begin with, in the words of its options."""
    kinds = ("selectbox", "multiselect", "button_group")
    widget = next(one for kind in kinds for one in test.get(kind) if one.label == label)
    default, options = widget.proto.default, widget.proto.options
    texts = [getattr(one, "content", one) for one in options]
    return [texts[place] for place in ([default] if widget.type == "selectbox" else default)]


@pytest.mark.parametrize(
    ("page", "query", "label", "words"),
    [
        ("watch", {"run": "first"}, "run", ["first"]),
        ("compare", {"runs": ["first", "second"]}, "Runs", ["first", "second"]),
        ("embeddings", {"dataset": "digits"}, "Data set", ["Handwritten digits"]),
        ("embeddings", {"backbones": [BACKBONES[1]]}, "Backbones", ["EfficientNet-Lite0"]),
        ("disagreement", PAIR, "Pair", ["MobileNetV2 and CLIP"]),
        ("launch", {"method": "rcig"}, "Method", ["RCIG"]),
        ("launch", {"preset": "standard"}, "Preset, or settings by effort", ["Standard"]),
        ("runs", {"state": ["paused"]}, "State", ["paused 1"]),
    ],
)
def test_the_second_drawing_begins_with_what_the_first_one_chose(store, page, query, label, words):
    found = begun(open_whole(page, **query).run(), label)
    assert len(found) == len(words), found
    assert all(one.startswith(word) for one, word in zip(found, words, strict=True)), found
