"""Addresses of pictures and the REST API: what they tell, how long it may be kept, and what they never give away."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.methods.lgm import levels
from lgm_core.reports.site import write_site
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.maps.points import mixed, unit_points
from pages.parts.server.routes import ROUTES
from tests.fake_runs import REAL, fake_distill, fake_embed, fake_thumbs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return RunStore(tmp_path / "runs")


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def test_frames_and_thumbnails_are_kept_for_ever(store: RunStore, client: TestClient):
    fake_distill(store, name="one")
    answer = client.get("/app/static/runs/one/frames/000000.webp")
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"
    answer = client.get(f"/app/static/thumbs/{fake_thumbs(store, 'imagenette', 'train')}/0000.webp")
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]


def test_the_points_of_a_map_are_numbers_in_a_row(store: RunStore, client: TestClient):
    found = fake_embed(store, fake_distill(store, name="one"), name="map").map()
    order = mixed(REAL)
    for colour in ("class", "wrong"):
        answer = client.get(f"/app/static/runs/map/map/umap/{colour}?v=1")
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        indices, labels = (
            np.frombuffer(answer.content, "<u4", REAL),
            np.frombuffer(answer.content, "<u2", REAL, 8 * REAL),
        )
        np.testing.assert_array_equal(indices, order)
        np.testing.assert_array_equal(labels, np.array(found["labels"])[order])
        places = np.frombuffer(answer.content, "<u2", 2 * REAL, 4 * REAL).reshape(-1, 2)
        np.testing.assert_allclose(places / 65535, unit_points(found, "umap")[0][order], atol=1e-5)
    wrong = np.frombuffer(answer.content, "<f4", REAL, 12 * REAL)
    np.testing.assert_allclose(wrong, np.array(found["wrong"])[order], rtol=1e-6)
    for path in ("map/map/tsne/class", "map/map/umap/config.json", "one/map/umap/class", "gone/map/umap/class"):
        assert client.get(f"/app/static/runs/{path}").status_code == 404


def test_the_gallery_site_can_be_looked_at(store: RunStore, client: TestClient, tmp_path: Path):
    write_site([fake_distill(store, name="one")], tmp_path / "site")
    answer = client.get("/app/static/site/index.html")
    assert answer.status_code == 200 and "sandbox" in answer.headers["content-security-policy"]
    assert client.get("/app/static/site/runs/one.html").status_code == 200
    assert client.get("/app/static/site/covers/one.webp").headers["content-type"] == "image/webp"
    for path in ("../runs/one/config.json", "..%2fruns%2fone%2fconfig.json", "runs", "gone.html", "runs//one.html"):
        assert client.get(f"/app/static/site/{path}").status_code == 404


def test_lines_from_an_offset_on(store: RunStore, client: TestClient):
    run = fake_distill(store, "running", name="one", steps=60)
    first = client.get("/api/runs/one/metrics").json()
    assert [line["step"] for line in first["lines"]] == list(range(40))
    with run.metrics_file.open("a") as file:
        file.write('{"step": 40, "loss": NaN}\n{"step": 41, "lo')
    more = client.get(f"/api/runs/one/metrics?offset={first['offset']}").json()
    assert more["lines"] == [{"step": 40, "loss": None}] and not more["reset"]  # the half-written line is for later
    assert len(client.get("/api/runs/one/frames").json()["lines"]) == len(run.frame_list())
    assert client.get("/api/runs/one/trail").json()["lines"][0]["step"] == 0


def test_the_player_asks_for_all_that_is_new_at_once(store: RunStore, client: TestClient):
    run = fake_distill(store, "running", name="one", steps=60)
    each = {name: client.get(f"/api/runs/one/{name}").json() for name in ("metrics", "frames", "trail")}
    assert client.get("/api/runs/one/new").json() == each | {"state": "running"}
    ends = "&".join(f"{name}={found['offset']}" for name, found in each.items())
    with run.metrics_file.open("a") as file:
        file.write('{"step": 40, "loss": 0.1}\n')
    run.trail_file.unlink()
    run.trail_file.mkdir()  # cannot be read
    found = client.get(f"/api/runs/one/new?{ends}").json()
    assert found["metrics"]["lines"] == [{"step": 40, "loss": 0.1}] and not found["frames"]["lines"]
    assert "trail" not in found and client.get("/api/runs/one/new?frames=-1").status_code == 400


@pytest.mark.parametrize("kept", [3, 39])
def test_a_file_that_became_shorter_is_read_anew(kept: int, store: RunStore, client: TestClient):
    run = fake_distill(store, "running", name="one", steps=60)
    offset = client.get("/api/runs/one/metrics").json()["offset"]
    lines = run.metrics_file.read_text().splitlines(keepends=True)[:kept]
    run.metrics_file.write_text("".join(lines) + json.dumps({"step": 99, "words": "x" * 300 * (kept == 39)}) + "\n")
    again = client.get(f"/api/runs/one/metrics?offset={offset - 2}").json()
    assert again["reset"] and again["lines"][0]["step"] == 0 and again["lines"][-1]["step"] == 99


def test_what_the_api_tells_of_a_run(store: RunStore, client: TestClient):
    fake_distill(store, "failed", name="one")
    assert [run["state"] for run in client.get("/api/runs").json()["runs"]] == ["failed"]
    told = client.get("/api/runs/one").json()
    assert told["status"]["error"].startswith("The device ran out") and told["config"]["dataset"] == "imagenette"
    assert client.get("/api/runs/one/evals").json() == {"evals": []}
    assert len(client.get("/api/runs/one/map").json()["points"]) == 240


def test_pyramid_levels_of_the_checkpoint(store: RunStore, client: TestClient):
    fake_distill(store, "running", name="one", steps=60)
    assert client.get("/api/runs/one/levels").json() == {"step": 40, "sides": [1, 4, 16, 48]}
    answer = client.get("/app/static/runs/one/levels/40/3.png")
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (4 * 162 - 2, 324)
    assert client.get("/app/static/runs/one/levels/39/3.png").status_code == 404  # another step's address
    assert client.get("/app/static/runs/one/levels/40/10.png").status_code == 404


def test_the_colours_of_levels_are_those_of_the_images():
    from lgm_core.methods.lgm.colour import Colour

    assert np.allclose(levels._COLOUR, Colour(decorrelated=True).matrix.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "path",
    [
        "/app/static/runs/one/frames/..%2fconfig.json",
        "/app/static/runs/one/frames/%2e%2e%2f%2e%2e%2fsecret.webp",
        "/app/static/runs/one/frames/..%5cconfig.json",
        "/app/static/runs/%2e%2e/frames/secret.webp",
        "/app/static/runs/..%2f../frames/secret.webp",
        "/app/static/runs/one/frames/%2fetc%2fpasswd",
        "/app/static/runs/one/frames/link.webp",
        "/app/static/runs/one/frames/secret.webp%00.webp",
        "/app/static/runs/one/download/..%2f..%2fsecret.webp",
        "/app/static/runs/one/download/link.txt",
        "/app/static/runs/one/download/.hidden",
        "/app/static/runs/one/download/frames",
        "/app/static/runs/linked/download/secret.webp",
        "/app/static/exports/..%2fruns/one",
        "/app/static/exports/%2e%2e/secret.webp",
        "/app/static/thumbs/%2e%2e/secret.webp",
        "/api/runs/%2e%2e",
        "/api/runs/..%2fruns%2fone",
        "/api/runs/nobody/metrics",
        f"/api/runs/{'a' * 256}",
        f"/app/static/runs/one/frames/{'é' * 126}.webp",
        "/api/runs/%ed%b2%80",
    ],
)
def test_nothing_outside_the_run_folder_is_served(path: str, store: RunStore, client: TestClient, tmp_path: Path):
    run = fake_distill(store, name="one")
    secret = tmp_path / "secret.webp"
    secret.write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "config.json").write_text("{}")
    (tmp_path / "outside" / "secret.webp").write_text("secret")
    (store.root / "linked").symlink_to(tmp_path / "outside")
    (run.frames / "link.webp").symlink_to(secret)
    (run.path / "link.txt").symlink_to(secret)
    (run.path / ".hidden").write_text("secret")
    answer = client.get(path)
    assert answer.status_code == 404 and "secret" not in answer.text, answer.text


def test_downloads_are_attachments(store: RunStore, client: TestClient):
    fake_distill(store, name="one")
    answer = client.get("/app/static/runs/one/download/synthetic.safetensors")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]


def test_wrong_questions_get_a_sentence(store: RunStore, client: TestClient):
    fake_distill(store, name="one")
    assert client.get("/api/runs/one/metrics?offset=x").status_code == 400
    assert client.get("/api/runs/one/metrics?offset=-1").status_code == 400
    assert client.get(f"/api/runs/one/metrics?offset={10**30}").status_code == 400
    assert client.get(f"/app/static/runs/one/levels/{'9' * 5000}/0.png").status_code == 404
    assert client.post("/api/runs").status_code == 405  # reading only


def test_a_run_without_files_answers(store: RunStore, client: TestClient):
    run: RunFolder = fake_distill(store, "queued", name="one", trail=False)
    assert not run.metrics_file.exists()
    for what in ("metrics", "frames", "trail"):
        assert client.get(f"/api/runs/one/{what}").json()["lines"] == []
    assert client.get("/api/runs/one/map").status_code == 404
    assert client.get("/api/runs/one/levels").json() == {"step": 0, "sides": []}
