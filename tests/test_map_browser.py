"""The maps in a real browser: hover, lasso, linked selection, neighbours, the link to what one sees, 50,000 points."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lgm_core.runs.store import RunStore, read_json, write_json
from tests.fake_runs import REAL, fake_distill, fake_embed

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

ROOT = Path(__file__).parent.parent
MANY = 50_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard over two maps of the same images, and a large one."""
    cache = tmp_path_factory.mktemp("cache")
    store = RunStore(cache / "runs")
    source = fake_distill(store, name="source", backbone="mobilenet_v2")
    for backbone in ("mobilenet_v2", "clip_vitb16"):
        fake_embed(store, source, backbone=backbone, name=f"map-{backbone}")
    _enlarge(fake_embed(store, source, backbone="dino_vits16", name="map-large"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    words += ["--server.headless", "true", "--server.fileWatcherType", "none"]
    environment = os.environ | {"LGM_CACHE": str(cache)}
    with (cache / "server.log").open("w") as log:
        server = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield _wait_for(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator["sync_api.Page"]:
    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    page.set_default_timeout(45_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


def test_lasso_shows_the_images_and_marks_them_in_every_map(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=mobilenet_v2&backbones=clip_vitb16")
    canvases = _maps(page, 2)
    before = [_pixels(canvas) for canvas in canvases]
    _draw_around(page, canvases[0], 0.5, 0.0, 1.0, 0.5)
    count = int(page.locator(".lgm-maps").get_attribute("data-selected") or 0)
    assert 0 < count < REAL
    page.get_by_text(f"{count} images in the lasso").wait_for()
    assert page.locator(".lgm-tiles .lgm-tile").count() == min(count, 96)
    assert [_pixels(canvas) for canvas in canvases] != before  # both maps dim what is not chosen
    assert before[1] != _pixels(canvases[1])


def test_a_link_opens_the_same_lasso(page, address):
    link = "lasso=map-mobilenet_v2~0.5,0.0~1.0,0.0~1.0,0.5~0.5,0.5"
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=mobilenet_v2&backbones=clip_vitb16&{link}")
    _maps(page, 2)
    page.wait_for_function("document.querySelector('body').innerText.includes('images in the lasso')")
    shown = page.get_by_text("images in the lasso").first.inner_text()
    assert shown.split()[0] == page.locator(".lgm-maps").get_attribute("data-selected")
    page.get_by_role("button", name="Clear selection").click()
    page.wait_for_url(lambda url: "lasso=" not in url)


def test_hover_shows_a_thumbnail_and_a_click_the_neighbours(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=mobilenet_v2&backbones=clip_vitb16")
    canvas = _maps(page, 2)[0]
    x, y = _star(page)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    tip = page.locator(".tip")
    tip.wait_for()
    assert "synthetic" in tip.inner_text()
    assert "webp" in (tip.locator("i").get_attribute("style") or "")
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.get_by_text("nearest, cosine similarity").nth(1).wait_for()  # a row for each backbone
    assert "picked=star" in page.url


def test_fifty_thousand_points_stay_usable(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16")
    canvas = _maps(page, 1)[0]
    page.get_by_text("50000 images").wait_for()
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    began = time.perf_counter()
    for _ in range(10):
        page.mouse.wheel(0, -60)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    for place in range(20):
        page.mouse.move(middle[0] + 3 * place, middle[1] + place)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    assert time.perf_counter() - began < 6  # thirty events; a redraw of all points at each would take far longer
    _draw_around(page, canvas, 0.2, 0.2, 0.8, 0.8)
    page.wait_for_function(
        "() => Number(document.querySelector('body').innerText.match(/(\\d+) images in the lasso/)?.[1]) > 0"
    )


def _maps(page, count: int) -> list:
    page.locator(".map canvas").nth(count - 1).wait_for()
    page.wait_for_timeout(500)
    assert page.locator(".map canvas").count() == count
    return [page.locator(".map canvas").nth(place) for place in range(count)]


def _draw_around(page, canvas, left: float, top: float, right: float, bottom: float) -> None:
    box = canvas.bounding_box()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    inset = [(box["x"] + 4 + x * (box["width"] - 8), box["y"] + 4 + y * (box["height"] - 8)) for x, y in corners]
    page.mouse.move(*inset[0])
    page.mouse.down()
    for corner in inset[1:]:
        page.mouse.move(*corner, steps=8)
    page.mouse.up()
    page.wait_for_function("() => true")


def _pixels(canvas) -> str:
    return canvas.evaluate("(one) => one.toDataURL().slice(-4000)")


def _star(page) -> tuple[float, float]:
    """Where the first star lies on the first map, in pixels, by the component's own arithmetic."""
    from pages.parts.map import unit_points

    found = read_json(Path(_STORE[0]) / "map-mobilenet_v2" / "map.json")
    x, y = unit_points(found, "umap")[1]["source"][0]
    box = page.locator(".map canvas").first.bounding_box()
    size = min(box["width"], box["height"]) - 36
    return (box["width"] - size) / 2 + x * size, (box["height"] - size) / 2 + y * size


_STORE: list[str] = []


def _enlarge(run) -> None:
    """Many points; the thumbnails are those of the first images, over and over."""
    _STORE[:] = [str(run.path.parent)]
    found, random = read_json(run.map_file), np.random.default_rng(0)
    repeat = -(-MANY // REAL)
    found |= {name: (found[name] * repeat)[:MANY] for name in ("labels", "pca", "umap", "wrong", "distance")}
    found["umap"] = (np.array(found["umap"]) + random.normal(size=(MANY, 2)) * 0.8).tolist()
    found["indices"] = list(range(MANY))
    write_json(run.map_file, found)
    thumbs = run.path.parent.parent / "thumbs" / found["thumbs"] / "index.json"
    index = read_json(thumbs)
    index |= {"labels": (index["labels"] * repeat)[:MANY], "count": MANY, "pages": ["0000.webp"] * (-(-MANY // 1024))}
    write_json(thumbs, index)


def _wait_for(address: str, server: subprocess.Popen) -> str:
    for _ in range(240):
        assert server.poll() is None, "the dashboard did not start"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return address
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the dashboard did not answer within a minute")
