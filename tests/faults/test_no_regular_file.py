"""A pipe, a folder or a socket where one of our files belongs: a sentence that names it, never a wait for ever."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.backbones.bank_files import create_bank
from lgm_core.backbones.catalog import find_row as find_backbone
from lgm_core.backbones.catalog import find_weights
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.own_network import open_own
from lgm_core.backbones.stored import read_tensors
from lgm_core.base.download import extract, file_sha256
from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, readable_lines
from lgm_core.base.locks import is_held, take
from lgm_core.base.places import Places
from lgm_core.base.regular_files import require_regular
from lgm_core.base.settings import RecordConfig
from lgm_core.base.tensor_files import load_tensors
from lgm_core.cli.main import main
from lgm_core.datasets.baselines import read_indices
from lgm_core.datasets.catalog import CATALOG
from lgm_core.datasets.given import count_and_digest
from lgm_core.datasets.listings import require_files, table
from lgm_core.datasets.resized_imagenet import _read_batch
from lgm_core.datasets.unpacking import unpack
from lgm_core.datasets.waterbirds import read_waterbirds
from lgm_core.jobs.slots import who_holds
from lgm_core.jobs.tickets import waiting_tickets
from lgm_core.methods.lgm.levels import level_facts
from lgm_core.methods.mkdt.hardest import kept_losses
from lgm_core.methods.rcig.published import read_published
from lgm_core.runs.heart import Heart
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.server.routes import ROUTES
from tests.fake_runs import fake_distill
from tests.test_weights import SOURCE, toy_row

BIRDS = CATALOG["waterbirds"]
READERS: dict[str, Callable[[Path], Any]] = {  # by the name of the file that they read
    "config.json": read_json,
    "metrics.jsonl": readable_lines,
    "synthetic.safetensors": load_tensors,
    "writer.lock": take,
    "any": file_sha256,
    "toy.whl": lambda path: extract(path, "a", path.with_name("out")),
    "toy.tar": lambda path: unpack(path, path.with_name("out")),
    "features.part": lambda path: create_bank(path, (2, 1, 3)),
    "net.safetensors": lambda path: complete(find_backbone(f"file:{path}")),
    "weights.pth": read_tensors,
    "net.py": lambda path: open_own(find_backbone(f"python:{path}:build")),
    "metadata.csv": lambda path: read_waterbirds(BIRDS, path.parent),
    "images.txt": lambda path: table(path, columns=2, row=BIRDS),
    "train_data_batch_1.npz": lambda path: _read_batch(BIRDS, path.parent, path),
    "chosen.npy": lambda path: read_indices(path, 10),
    "chosen.txt": lambda path: read_indices(path, 10),
    "losses.npy": lambda path: kept_losses(path, lambda: pytest.fail("it is there"), count=3, note=print),
    "log.txt": lambda path: Recorder(RunFolder(path.parent), RecordConfig(), steps=1).__enter__(),
}


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    """Whoever opens a pipe and waits is interrupted, and the test fails."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_with_a_sentence_that_names_it(name: str, tmp_path: Path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is a pipe, not a regular file"):
        READERS[name](tmp_path / name)


def test_what_else_is_no_regular_file_is_said_and_what_is_missing_passes(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for path, kind in ((Path("socket"), "a socket"), (tmp_path, "a folder"), (Path("/dev/zero"), "a device")):
            with pytest.raises(UserError, match=f"is {kind}, not a regular file; replace it"):
                require_regular(path)
    require_regular(tmp_path, or_folder=True)
    require_regular(tmp_path / "missing")
    require_regular(Path("no\0name"))


def test_lists_of_data_sets_given_images_and_published_sets(tmp_path: Path):
    (tmp_path / "given" / "tench").mkdir(parents=True)
    os.mkfifo(tmp_path / "given" / "tench" / "a.png")
    with pytest.raises(UserError, match="a.png is a pipe"):
        count_and_digest(tmp_path / "given")
    os.mkfifo(tmp_path / "setid.mat")
    with pytest.raises(UserError, match="setid.mat is a pipe"):
        require_files(BIRDS, tmp_path, ["given", "setid.mat"])
    with pytest.raises(UserError, match="setid.mat is not an RCIG checkpoint"):
        read_published(tmp_path / "setid.mat")
    places = Places(cache=tmp_path, weights=(tmp_path,), datasets=())
    os.mkfifo(tmp_path / "toy.safetensors")
    assert find_weights(toy_row(SOURCE), places) is None


FILES = (
    "status.json", "control.json", "metrics.jsonl", "frames/index.jsonl", "frames/000000.webp", "evals/x.json",
    "checkpoint.safetensors", "synthetic.safetensors", "labels.json", "weights.json", "data.json", "map.json",
    "trail.jsonl", "details.jsonl", "notes.json", "log.txt", "writer.lock",
)  # fmt: skip


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_run_whose_files_are_pipes_or_folders_is_shown(make, tmp_path: Path, monkeypatch, capfd):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    store = RunStore(tmp_path / "runs")
    fake_distill(store, name="whole", steps=4, frames=2)
    run = fake_distill(store, name="piped", steps=4, frames=2)
    for name in FILES:
        path = run.path / name
        path.unlink(missing_ok=True)
        make(path)
    assert main(["show", "piped"]) == main(["list", "runs"]) == 0
    said = capfd.readouterr().out
    assert all(f"note: {name} is damaged" in said for name in ("status.json", "map.json", "synthetic.safetensors"))
    assert run.log_tail() == "" and not run.has_writer() and run.status().state == "lost" and level_facts(run)[1] == []
    client = TestClient(Starlette(routes=ROUTES))
    for path in ("", "/metrics", "/frames", "/trail", "/evals", "/levels", "/map"):
        assert client.get(f"/api/runs/piped{path}").status_code in (200, 404), path
    assert client.get("/app/static/runs/piped/frames/000000.webp").status_code == 404
    assert client.get("/app/static/runs/piped/download/log.txt").status_code == 404
    (run.path / "config.json").unlink()
    make(run.path / "config.json")
    assert [found.id for found in store.runs()] == ["whole"]
    assert client.get("/api/runs/piped").status_code == 404
    assert main(["show", "piped"]) == 2 and main(["list", "runs"]) == 0


def test_a_lock_a_slot_or_a_ticket_that_is_a_pipe_or_a_folder_holds_up_nobody(tmp_path: Path):
    os.mkfifo(tmp_path / "cpu-0.lock")
    assert "another run" in who_holds(tmp_path, ["cpu-0"]) and not is_held(tmp_path / "cpu-0.lock")
    (tmp_path / "queue").mkdir()
    os.mkfifo(tmp_path / "queue" / "1-1-a.json")
    (tmp_path / "queue" / "1-2-b.json").mkdir()
    assert waiting_tickets(tmp_path / "queue") == [] and not (tmp_path / "queue" / "1-1-a.json").exists()


def test_a_writer_whose_lock_is_a_pipe_says_so(tmp_path: Path):
    run = fake_distill(RunStore(tmp_path), name="piped", steps=4, frames=2)
    os.mkfifo(run.lock_file)
    with pytest.raises(UserError, match="writer.lock is a pipe"), Heart(run, state="running"):
        pass
