"""README's table of the paper's commands: every command of ours in it runs, here on digits with few steps."""

import re
from pathlib import Path

import pytest

from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.runs.store import RunFolder, RunStore

README = (Path(__file__).parent.parent / "README.md").read_text()
FEW = """
--steps 3 --data.train-per-class 3 --data.test-per-class 3 --data.resize 224 --synthetic.resolution 32 --live.times 0
--probe.views 3 --probe.epochs 5 --probe.seeds 2 --probe.full-views 2 --probe.full-epochs 2 --record.frames 2
--device.threads 1 --device.device cpu
""".split()  # noqa: SIM905


def _commands() -> list[str]:
    """Those of the right column, whole: "..." stands for the first."""
    table = README.split("| the paper's command | ours |")[1].split("\n\n")[0]
    cells = [row.split(" | ")[-1] for row in table.splitlines() if row.startswith("| ")]
    found = [words for cell in cells for words in re.findall(r"`((?:lgm|\.\.\.) [^`]+)`", cell)]
    assert len(found) == 12
    return [words.replace("...", found[0]) for words in found]


def _run(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.fixture
def distilled(here: Places, small_weights: str, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The table's first command, on digits."""
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    monkeypatch.delenv("LGM_DATASETS", raising=False)
    assert _run(["distill", "digits", small_weights, "--preset", "paper", "--name", "RUN", *FEW]) == 0
    return RunFolder(here.runs / "RUN")


@pytest.mark.parametrize(
    "command", [words for words in _commands() if "imagenet-100" in words and "--source" not in words]
)
def test_a_command_whose_data_are_not_here_says_where_to_get_them(command, here, monkeypatch, capfd):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    monkeypatch.delenv("LGM_DATASETS", raising=False)
    assert _run(command.split()[1:]) == 3
    told = "".join(capfd.readouterr())
    assert "register" in told.lower() and "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize("command", _commands())
def test_each_command_of_the_table_runs(command: str, distilled: RunFolder, here: Places, small_weights: str):
    words = [small_weights if word in ("dinov2_vitb", "clip_vitb") else word for word in command.split()[1:]]
    words = " ".join(words).replace("imagenet-100", "digits").replace("--steps 1000", "").split()
    assert _run(words + (FEW if words[0] != "resume" else [])) == 0
    made = next((run for run in RunStore(here.runs).runs() if run.id != distilled.id), distilled)
    assert made.status().state == "finished"
    if "--evaluate-on" in command or "evaluate" in command:
        assert [report["protocol"] for report in made.eval_reports()] == ["paper"]
