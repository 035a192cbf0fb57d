"""The scripts behind the tables in docs: each that is named is there, and all that they import still exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from lgm_core.config import validate
from lgm_core.presets import preset

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "docs" / "experiments").glob("*.py"))
TOLD = "\n".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))


def test_every_script_that_the_documents_name_is_there():
    named = set(re.findall(r"docs[/.]experiments[/.](\w+?)(?:\.py|[ `])", TOLD))
    assert len(named) > 10 and named <= {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_all_that_a_script_imports_exists(script: Path):
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("lgm_core", "pages", "tests"):
            module = __import__(str(node.module), fromlist=[name.name for name in node.names])  # submodules too
            lost = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not lost, f"{node.module} has no {lost}"


def test_every_record_can_be_run_on_both_data_sets(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    board = importlib.import_module("leaderboard")
    for _, backbones, steps in board.RECORDS.values():
        for data, cut in board.CUTS.items():
            validate(preset("preview", dataset=data, backbone="+".join(backbones), steps=steps, lgm=board.WHITE, **cut))
    assert re.fullmatch(r"([0-9a-f]{7,}|unknown)( changed)?", board._commit())


def test_every_row_of_the_table_of_held_out_backbones_can_be_run(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    rows = importlib.import_module("held_out").PLAN
    for data, backbones, steps, given in rows.values():
        groups = {key: value for key, value in given.items() if isinstance(value, dict)}
        lgm = {key: value for key, value in given.items() if key not in groups}
        validate(preset("preview", dataset=data, backbone="+".join(backbones), steps=steps, lgm=lgm, **groups))
