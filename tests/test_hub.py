"""The hub's real client against a hub on this machine: pinned, checked, and errors that say what to put where."""

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from filelock import FileLock

from lgm_core.backbones.catalog import find_row, status
from lgm_core.backbones.row import Hub
from lgm_core.backbones.weights import fetch_weights, load_state
from lgm_core.base.errors import Unavailable
from lgm_core.base.places import Places
from tests.test_weights import TOY, published, toy_row


@pytest.fixture
def places(tmp_path):
    return Places(cache=tmp_path, weights=(tmp_path / "mine", tmp_path / "weights"), datasets=())


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model(TOY).eval()


@contextmanager
def hub(files, *, refuses=False):
    """A hub on this machine that holds {path: bytes}; the hub's real client talks to it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.command, self.path, self.headers.get("Range")))
            body = files.get(self.path)
            self.send_response(403 if refuses else 404 if body is None else 200)
            if refuses:
                self.send_header("X-Error-Code", "GatedRepo")
                self.send_header("X-Error-Message", "Access is restricted")
            body = body or b""
            self.send_header("X-Repo-Commit", "c" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield SimpleNamespace(url=f"http://127.0.0.1:{running.server_port}", asked=asked)
        finally:
            running.shutdown()


@pytest.fixture
def client(monkeypatch, tmp_path):
    """Point the hub's client at an address, away from the user's own cache and settings."""

    def point(url):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        monkeypatch.setattr(
            huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "no-cache"))

    return point


SOURCE = Hub("someone/toy", revision="a" * 40)
ADDRESS = f"/someone/toy/resolve/{'a' * 40}/model.safetensors"


def test_a_hub_file_is_fetched_at_its_revision_once_with_progress(places, network, client, tmp_path):
    content, steps = published(network.state_dict(), tmp_path / "hub"), []
    row = toy_row(SOURCE)
    assert status(row, places) == "can be fetched"
    with hub({ADDRESS: content}) as running:
        client(running.url)
        path = fetch_weights(row, places, lambda done, total: steps.append((done, total)))
    assert {path for _, path, _ in running.asked if "/resolve/" in path} == {ADDRESS}  # the revision, and nothing else
    assert path == places.weights[-1] / "toy.safetensors" and status(row, places) == "ready"
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    assert steps[-1] == (len(content), len(content))
    assert fetch_weights(row, places) == path  # the server is gone: found, not fetched
    assert not list(places.weights[-1].glob(".fetch*"))
    state = load_state(row, path)
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


def test_a_hub_file_with_a_wrong_digest_is_refused(places, network, client, tmp_path):
    content = published(network.state_dict(), tmp_path / "hub")
    with hub({ADDRESS: content}) as running:
        client(running.url)
        with pytest.raises(Unavailable, match="expected 00ff"):
            fetch_weights(toy_row(replace(SOURCE, sha256="00ff")), places)
    assert not list(places.weights[-1].rglob("*.safetensors"))


def test_a_hub_out_of_reach_says_at_once_what_to_put_where(places, client):
    client("http://127.0.0.1:9")
    with pytest.raises(Unavailable) as raised:
        fetch_weights(find_row("dinov2_vitb"), places)
    text = str(raised.value)
    for part in (
        "model.safetensors",
        "timm/vit_base_patch14_dinov2.lvd142m",
        "LGM_WEIGHTS",
        "1926dc5",
        "cannot be reached",
    ):
        assert part in text
    assert str(places.weights[-1] / "dinov2_vitb14.safetensors") in text
    assert not list(places.weights[-1].glob(".fetch*"))


def test_a_gated_file_says_how_to_get_access(places, client):
    row = find_row("dinov3_vitb16")
    assert status(row, places) == "gated"
    with hub({}, refuses=True) as running:
        client(running.url)
        with pytest.raises(Unavailable) as raised:
            fetch_weights(row, places)
    text = str(raised.value)
    for part in ("DINOv3 License", "hf auth login", row.source.repo, str(places.weights[-1] / row.file)):
        assert part in text


def test_a_file_that_turns_out_to_be_gated_says_so_too(places, client):
    with hub({}, refuses=True) as running:
        client(running.url)
        with pytest.raises(Unavailable, match="hf auth login"):
            fetch_weights(toy_row(SOURCE), places)


def test_of_two_processes_one_fetches_and_the_other_waits(places, network, client, tmp_path):
    client("http://127.0.0.1:9")  # nobody could fetch
    row, found = toy_row(SOURCE), []
    places.weights[-1].mkdir()
    with FileLock(places.weights[-1] / f".{row.file}.lock"):
        other = threading.Thread(target=lambda: found.append(fetch_weights(row, places)))
        other.start()
        other.join(timeout=0.2)
        assert other.is_alive()  # it waits for the one who fetches
        (places.weights[-1] / row.file).write_bytes(published(network.state_dict(), tmp_path / "hub"))
    other.join(timeout=120)
    assert found == [places.weights[-1] / row.file]
