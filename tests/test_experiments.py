"""The scripts behind the tables in docs: each that is named is there, and all that they import still exists."""

import ast
import importlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from lgm_core.base.files import write_json
from lgm_core.base.places import Places
from lgm_core.cli.main import VERBS
from lgm_core.config import validate
from lgm_core.evaluation.protocol import keys_of
from lgm_core.presets import change, preset
from lgm_core.runs.identity import identity
from lgm_core.runs.status import Status
from tests.fake_runs import fake_eval

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "docs" / "experiments").glob("*.py"))
TOLD = "\n".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))


def test_every_script_that_the_documents_name_is_there():
    named = set(re.findall(r"docs[/.]experiments[/.](\w+?)(?:\.py|[ `])", TOLD))
    assert len(named) > 10 and named <= {path.stem for path in SCRIPTS}


def tables_of(text: str) -> list[tuple[str, str]]:
    """For each table of a log: its first line, and what its section says before it."""
    found = []
    for section in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        lines = section.splitlines()
        rules = [place for place, line in enumerate(lines) if re.fullmatch(r" *\|[-: |]+\|", line)]
        found += [(lines[place - 1], "\n".join(lines[: place - 1])) for place in rules]
    return found


def makes(words: str) -> bool:
    """Do these words name what makes a table: a script of ours, a verb of lgm, a target of make, or a hand?"""
    named = re.findall(r"\b(\w+)\.py\b", words) + re.findall(r"docs\.experiments\.(\w+)", words)
    scripts = {path.stem for path in SCRIPTS} & set(named)
    verbs = set(VERBS) & set(re.findall(r"(?:lgm|-m lgm_core) (\w+)", words))
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return bool(scripts or verbs or set(targets) & set(re.findall(r"`make (\w+)", words)) or "by hand" in words.lower())


def test_every_table_of_the_log_says_what_makes_it():
    tables = tables_of((ROOT / "docs" / "log.md").read_text())
    assert len(tables) > 20 and len({words.splitlines()[0] for _, words in tables}) > 15
    assert [(words.splitlines()[0], head) for head, words in tables if not makes(words)] == []


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("By hand.", True), ("`docs/experiments/race.py 3`", True), ("`parity.py`", True),
        ("-m docs.experiments.demo", True), ("`make demo`", True),
        ("`python -m lgm_core bench mobilenet_v2`", True), ("lgm study nette", True), ("`make tea`", False),
        ("`docs/experiments/none.py`", False), ("lgm is quick", False), ("measured on two cores", False),
    ],
)  # fmt: skip
def test_a_script_a_command_or_a_hand_makes_a_table(words: str, made: bool):
    text = f"# Log\n\n## Before\n\nlgm bench\n\n## Now\n\n{words}\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n"
    assert [(head, makes(said)) for head, said in tables_of(text)] == [("| a | b |", made)]


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
    for name, (_, backbones, steps, _) in board.RECORDS.items():
        for data, cut in board.CUTS.items():
            asked = {"backbone": "+".join(backbones), **board.settings(name)}
            validate(preset("preview", dataset=data, steps=steps, **asked, **cut))
    assert re.fullmatch(r"([0-9a-f]{7,}|unknown)( changed)?", board._commit())


def test_every_row_of_the_table_of_held_out_backbones_can_be_run(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    rows = importlib.import_module("held_out").PLAN
    for data, backbones, steps, given in rows.values():
        groups = {key: value for key, value in given.items() if isinstance(value, dict)}
        lgm = {key: value for key, value in given.items() if key not in groups}
        validate(preset("preview", dataset=data, backbone="+".join(backbones), steps=steps, lgm=lgm, **groups))


@pytest.mark.slow
def test_a_long_record_is_also_filtered_and_searched(monkeypatch, capsys, tmp_path):
    """As the page Runs does it; every line has seconds, those of the page the rows that are left."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    script = importlib.import_module("many_runs")
    monkeypatch.setattr(script.time, "sleep", lambda seconds: None)
    script.main(80)
    said = {line[:48].strip(): line[48:].split() for line in capsys.readouterr().out.splitlines()}
    rows = {
        words: found[2:]
        for words, found in said.items()
        if words.startswith(("the page", "drawn", "filtered", "searched"))
    }
    assert rows == {
        "the page Runs, opened": ["80"], "drawn again": ["80"], "filtered by a state": ["8"],
        "filtered by a state, and searched": ["1"], "searched: a study": ["2"], "searched: one run": ["1"],
        "searched: none is": ["0"],
    }  # fmt: skip


def test_every_piece_of_the_table_of_pre_training_is_a_run_of_its_own(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    script = importlib.import_module("mkdt")
    asked = script._asked(["results", "--size", "preview", "--teacher", "dinov2_vits14", "--seed", "0", "4"])
    assert (asked.what, asked.size, asked.teacher, asked.seed) == (["results"], "preview", ["dinov2_vits14"], [0, 4])
    pieces = [(size, name, seed) for size in script.SIZES for name in script.TEACHERS for seed in (0, 1)]
    configs = [validate(script.of_piece(*piece)) for piece in pieces]
    assert len({str(identity(config)) for config in configs}) == len(pieces) == 20
    images = {config.data.train_per_class for config in configs}
    assert images == {200, preset("mkdt_preview").data.train_per_class}


def test_a_piece_that_was_judged_before_shows_its_own_teacher(tmp_path, monkeypatch):
    """The random images of two teachers are one run, which a further one judges by the second teacher."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "experiments"))
    script, here = importlib.import_module("mkdt"), Places(cache=tmp_path, weights=(tmp_path,), datasets=(tmp_path,))
    monkeypatch.setattr(script, "places", lambda: here)
    monkeypatch.setattr("lgm_core.runs.start.require_here", lambda *given: None)

    def judged(run, places):
        fake_eval(run, "conv:instance", ["tench"], 0.5)
        (made,) = run.evals.iterdir()
        whole = json.loads(made.read_text())
        made.unlink()
        for key in keys_of(run.config()):
            write_json(run.evals / f"{key.file_stem}.json", {**whole, **key.facts()})
        write_json(run.status_file, asdict(Status(state="finished")))
        return "finished"

    monkeypatch.setattr(script, "work", judged)
    pieces = [script.of_piece("small", teacher, 0) for teacher in ("conv:batch", "mobilenet_v3_small")]
    random = [change(piece, {"kind": "baseline", "baseline": {"choice": "random"}}) for piece in pieces]
    for one in (*random, *random):
        run, shares = script._done(one)
        assert list(shares) == list(script.FRACTIONS)
        assert {report["settings"]["pretrain.teacher"] for report in shares.values()} == {one.pretrain.teacher}
    assert run.config().kind == "baseline"
