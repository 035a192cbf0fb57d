"""A set goes to the hub: which files, which card, and what is told where it cannot."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import DatasetCard
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from lgm_core.cli.main import main
from lgm_core.runs.store import RunStore
from tests.fake_runs import BACKBONES, fake_distill, fake_eval, fake_study


class FakeHub:
    """Keeps what is uploaded, instead of the hub's client."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple] = []
        self.refuses: Exception | None = None

    def create_repo(self, repository: str, **how) -> str:
        self.asked.append((repository, how))
        if self.refuses:
            raise self.refuses
        return f"https://hub/datasets/{repository}"

    def upload_folder(self, *, folder_path: Path, **how) -> None:
        self.asked.append((how["repo_id"], how))
        found = (path for path in folder_path.rglob("*") if path.is_file())
        self.files = {path.relative_to(folder_path).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def hub(monkeypatch) -> FakeHub:
    found = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: found)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    return found


def refusal(status: int) -> HfHubHTTPError:
    request = SimpleNamespace(method="POST", url="https://hub")
    response = SimpleNamespace(status_code=status, headers={}, request=request)
    return HfHubHTTPError("said no", response=response)  # type: ignore[arg-type]


def test_what_is_uploaded_is_the_set_its_card_its_settings_and_its_accuracies(store, hub, capsys):
    run = fake_distill(store, name="one", backbone=BACKBONES[0], evaluate_on=[BACKBONES[0]], images_per_class=2)
    judged = {"kind": "evaluate", "source": "one", "backbone": BACKBONES[0], "evaluate_on": ["clip_vitb16"]}
    later = fake_distill(store, name="later", **judged)
    fake_eval(later, "clip_vitb16", ["tench"], 0.5)
    assert main(["push", "one", "me/nette", "--private"]) == 0
    assert "one: https://hub/datasets/me/nette" in capsys.readouterr().out
    how = dict(hub.asked)["me/nette"]
    assert hub.asked[0][1] == {"repo_type": "dataset", "private": True, "exist_ok": False}
    assert how["repo_type"] == "dataset" and how["delete_patterns"] is None
    pictures = [file for file in hub.files if file.endswith(".png")]
    assert len(pictures) == 20 and "images/0000_tench/001.png" in pictures
    assert set(hub.files) - set(pictures) == {
        "README.md", "config.json", "synthetic.safetensors",
        f"evals/one/{BACKBONES[0]}-on-imagenette.json", "evals/later/clip_vitb16-on-imagenette.json",
    }  # fmt: skip
    with Image.open(io.BytesIO(hub.files[pictures[0]])) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
    assert json.loads(hub.files["config.json"])["config"]["backbone"] == run.config().backbone
    card = DatasetCard(hub.files["README.md"].decode())
    assert card.data.license == "other"
    assert card.data.to_dict()["configs"][0]["data_files"][0]["path"] == "images/*/*.png"
    for part in (f"| {BACKBONES[0]} | 80.0", "| clip_vitb16 | 50.0", "non-commercial research", "BSD-3-Clause", "MIT"):
        assert part in card.text


def test_replacing_clears_what_an_earlier_set_left(store, hub):
    fake_distill(store, name="one", evaluate_on=[])
    assert main(["push", "one", "me/nette", "--replace"]) == 0
    assert hub.asked[0][1]["exist_ok"] and hub.asked[1][1]["delete_patterns"] == ["images/*", "evals/*"]


def test_what_cannot_be_pushed_is_a_sentence_with_a_remedy(store, hub, capsys, monkeypatch):
    fake_distill(store, name="one", evaluate_on=[])
    fake_distill(store, "stopped", name="half", evaluate_on=[])
    chosen = next(run.id for run in fake_study(store) if run.config().kind == "baseline")
    for words, said in (
        (["nothing", "me/x"], "unknown"),
        (["half", "me/x"], "is stopped; let it finish first (`lgm resume half`)"),
        ([chosen, "me/x"], "chose real images, and the terms of most data sets forbid"),
        (["one", "nette"], "write owner/name"),
    ):
        assert main(["push", *words]) == 2 and said in capsys.readouterr().err
    for error, code, said in (
        (refusal(409), 2, "already has a data set me/x; use another name, or --replace"),
        (refusal(403), 2, "does not let you write to me/x"),
        (OSError("no route"), 3, "cannot be reached (no route)"),
    ):
        hub.refuses = error
        assert main(["push", "one", "me/x"]) == code and said in capsys.readouterr().err
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert main(["push", "one", "me/x"]) == 2
    assert "you are not logged in to the hub: run `hf auth login`" in capsys.readouterr().err
    assert not hub.files
