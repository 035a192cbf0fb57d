"""The player in a real browser: keys, play, zoom, a run that goes on, the address, the time-lapse."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lgm_core.runs.frames import save_atlas
from lgm_core.runs.store import RunStore, read_json, write_json
from tests.fake_runs import CLASSES, fake_distill, picture, write_lines

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: no browser tests")

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LATENCY = 100  # milliseconds from a key press to the frame on the canvas
SLOW = 40_000  # milliseconds that a loaded machine may take to open a page


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    fake_distill(store, name="ended", steps=500, frames=40)
    fake_distill(store, name="hundred", classes=100, steps=500, frames=40)
    return store


@pytest.fixture(scope="module")
def server(store: RunStore) -> Iterator[str]:
    """The dashboard in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    environment = os.environ | {"LGM_CACHE": str(store.root.parent)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
        process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 1100})
    page = context.new_page()
    page.set_default_timeout(SLOW)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.extend(foreign(request.url)))
    yield page
    context.close()
    assert not wrong, wrong


def foreign(url: str) -> list[str]:
    """Addresses on other machines: the dashboard works without any."""
    return [url] if url.startswith(("http:", "https:", "ws:")) and "//127.0.0.1:" not in url else []


def open_player(page: Any, server: str, query: str) -> Any:
    """The player's element, once its first frame is drawn."""
    page.goto(f"{server}/watch?{query}")
    page.wait_for_selector(".player[data-drawn]")
    return page.locator(".player")


def drawn(page: Any, step: int) -> None:
    page.wait_for_selector(f'.player[data-drawn="{step}"][data-step="{step}"]')


def test_a_link_into_a_fresh_server_shows_the_whole_dashboard(page: Any, server: str):
    open_player(page, server, "run=ended")
    assert page.title() == "Linear Gradient Matching"
    assert page.get_by_role("link", name="Cross-model").is_visible()


@pytest.mark.parametrize("name", ["ended", "hundred"])
def test_arrow_keys_scrub_within_100_ms(page: Any, server: str, store: RunStore, name: str):
    steps = [frame["step"] for frame in RunStore(store.root).open(name).frame_list()]
    player = open_player(page, server, f"run={name}")
    drawn(page, steps[-1])
    page.keyboard.press("Home")
    drawn(page, 0)
    page.wait_for_timeout(1500)  # the frames around are decoded ahead
    times = []
    for step in steps[1:15]:
        page.keyboard.press("ArrowRight")
        drawn(page, step)
        times.append(float(player.get_attribute("data-latency")))
    print(f"{name}: median {np.median(times):.1f} ms, worst {max(times):.1f} ms")
    assert np.median(times) < LATENCY / 2 and np.quantile(times, 0.8) < LATENCY, times
    page.keyboard.press("ArrowLeft")
    drawn(page, steps[13])
    page.keyboard.press("Shift+ArrowLeft")
    drawn(page, steps[3])
    assert f"step {steps[3]} of 500" in player.locator(".where").inner_text()
    assert float(player.locator(".loss-now").inner_text()) == pytest.approx(
        0.2 + 0.8 * np.exp(-4 * steps[3] / 499), abs=1e-3
    )


def test_play_runs_to_the_end_and_stops(page: Any, server: str):
    player = open_player(page, server, "run=ended&step=300")
    player.locator(".speed").select_option("48")
    player.locator(".play").click()
    drawn(page, 499)
    page.wait_for_selector(".player:not(.playing)")


def test_the_view_is_in_the_address(page: Any, server: str):
    open_player(page, server, "run=ended&step=100&image=3")
    page.wait_for_selector(".zoom:not([hidden])")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)
    step = int(page.locator(".player").get_attribute("data-step"))
    assert step > 100 and f"step={step}" in page.url and "image=3" in page.url and "run=ended" in page.url
    page.reload()
    drawn(page, step)
    assert page.locator(".zoom-name").inner_text() == CLASSES[3]


def test_zoom_shows_neighbours_levels_and_before_and_after(page: Any, server: str):
    player = open_player(page, server, "run=ended")
    player.locator(".atlas").click(position={"x": 40, "y": 40})
    page.wait_for_selector(".zoom:not([hidden])")
    assert player.locator(".zoom-name").inner_text() == CLASSES[0]
    assert player.locator(".near div").count() == 5
    assert CLASSES[0] in player.locator(".near div span").first.inner_text()
    levels = player.locator(".levels")
    levels.scroll_into_view_if_needed()
    assert "/levels/500/0.png" in levels.get_attribute("src")
    assert levels.evaluate("image => image.decode().then(() => image.naturalWidth)") == 4 * 162 - 2
    wipe = player.locator(".wipe")
    before = wipe.evaluate("canvas => canvas.toDataURL()")
    box = wipe.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 20)
    assert wipe.evaluate("canvas => canvas.toDataURL()") != before
    page.keyboard.press("Escape")
    page.wait_for_selector(".zoom[hidden]", state="attached")


def test_a_run_that_goes_on_is_followed(page: Any, server: str, store: RunStore):
    name = "<b onclick=alert(1)>live"
    run = fake_distill(store, "running", name="live", steps=60)
    facts = read_json(run.map_file)
    write_json(run.map_file, facts | {"classes": [name, *facts["classes"][1:]]})
    player = open_player(page, server, "run=live")
    assert player.locator(".live").is_visible()
    frame = run.frame_list()[-1]
    pictures = picture(np.arange(10), 0.9, 48)
    save_atlas(pictures, run.frames / "000055.webp")
    write_lines(run.frame_index, [*run.frame_list(), frame | {"step": 55, "file": "000055.webp"}])
    drawn(page, 55)
    player.locator(".atlas").click(position={"x": 40, "y": 40})
    assert player.locator(".zoom-name").inner_text() == name  # as text
    page.keyboard.press("Home")
    save_atlas(pictures, run.frames / "000058.webp")
    write_lines(run.frame_index, [*run.frame_list(), frame | {"step": 58, "file": "000058.webp"}])
    page.wait_for_timeout(2500)
    assert player.get_attribute("data-step") == "0"  # whoever looks back is left there


def test_the_time_lapse_is_made_and_can_be_decoded(page: Any, server: str):
    open_player(page, server, "run=ended")
    page.get_by_text("Export the time-lapse").click()
    page.get_by_role("button", name="Make GIF").click()
    link = page.get_by_role("link", name="Download GIF")
    link.wait_for()
    with urllib.request.urlopen(server + link.get_attribute("href")) as answer:
        film = Image.open(io.BytesIO(answer.read()))
    assert film.format == "GIF" and film.n_frames > 20


def test_a_foreign_host_is_refused(server: str):
    request = urllib.request.Request(f"{server}/api/runs", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)
    caught.value.close()
