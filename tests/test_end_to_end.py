"""From an empty folder to a report on disk, in a real browser, with a real network on the embedded photographs.

Nothing depends on time; how long the first images and each part took is printed (`pytest -s`).
"""

import io
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lgm_core.backbones import catalog
from lgm_core.base.places import places
from lgm_core.runs.store import RunFolder, RunStore
from tests.browser import at_rest, expect, serve, steer, wait_until

BACKBONE = "tf_efficientnet_lite0"
LONG, SHORT = 4000, 8  # steps of the run that is stopped, and of the one that is forked from it and ends
SETTINGS = (
    f"steps:{LONG}", "lgm.views:1", "synthetic.resolution:32", "data.train_per_class:6", "data.test_per_class:6",
    "data.resize:224", "bank.views:1", "live.times:2", "live.test_images:32", "live.steps:10", "probe.views:2",
    "probe.epochs:10", "probe.seeds:2", "record.frames:200", "record.map_images:64", "device.device:cpu",
)  # fmt: skip
TITLES = ("Runs", "Launch", "Watch", "Embeddings", "Neighbours", "Cross-model", "Compare", "Report")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The dashboard over an empty cache, which finds the weights of this machine."""
    if catalog.status(catalog.find_row(BACKBONE), places()) != "ready":
        pytest.skip(f"the weights of {BACKBONE} are not here: `lgm fetch {BACKBONE}`")
    with serve(tmp_path, LGM_WEIGHTS=os.pathsep.join(map(str, places().weights))) as found:
        yield found


@pytest.mark.slow
def test_from_an_empty_folder_to_a_report_on_disk(page, address, store, tmp_path):
    parts: dict[str, float] = {}

    def timed(part: Callable[..., Any], *arguments: Any) -> Any:
        began = time.monotonic()
        found = part(page, *arguments)
        parts[part.__name__] = parts.get(part.__name__, 0.0) + time.monotonic() - began
        return found

    timed(begin, address)
    run = timed(launch, address, store)
    timed(scrub, run)
    timed(stop, run)
    timed(refresh)
    timed(resume, run)
    timed(stop, run)
    made = timed(fork, store, run)
    for title in TITLES:
        timed(show, title)
    timed(lasso, store, address, made)
    timed(neighbours, address, made)
    timed(export, address, run)
    timed(report, address, made, tmp_path)
    print(", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()))


def begin(page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("No runs of your own yet")).to_be_visible()
    page.get_by_role("button", name="Launch the first run").click()
    expect(page).to_have_url(re.compile("/launch.*preset=preview"))


def refresh(page) -> None:
    """The tab, and the run is still there."""
    page.reload()
    expect(page.locator(".player[data-drawn]")).to_be_visible()


def launch(page, address: str, store: RunStore) -> RunFolder:
    link = "&".join(f"set={setting}" for setting in SETTINGS)
    page.goto(f"{address}/launch?dataset=scenes&backbones={BACKBONE}&preset=preview&{link}")
    expect(page.get_by_role("spinbutton", name="steps").first).to_have_value(str(LONG))
    page.get_by_role("button", name="Start", exact=True).click()
    began = time.monotonic()
    expect(page).to_have_url(re.compile("/watch.*run="))
    expect(page.locator(".player[data-drawn]")).to_be_visible()
    print(f"first images {time.monotonic() - began:.1f} s after Start")
    (run,) = store.runs()
    assert run.frame_list()[0]["step"] == -1 and not run.eval_reports()  # shown before anything was learned
    config = run.config()
    assert (config.steps, config.lgm.views, config.data.train_per_class) == (LONG, 1, 6)
    return run


def scrub(page, run: RunFolder) -> None:
    """Back and on by the keyboard, while the run goes on."""
    expect(page.locator(".scrub")).to_have_attribute("max", re.compile(r"^([3-9]|\d\d+)$"))
    steps = [frame["step"] for frame in run.frame_list()]
    page.keyboard.press("Home")
    for step in steps[:3]:
        expect(page.locator(f'.player[data-drawn="{step}"][data-step="{step}"]')).to_be_visible()
        page.keyboard.press("ArrowRight")
    assert run.status().state == "running"


def stop(page, run: RunFolder) -> None:
    steer(page, "Stop")
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    wait_until(lambda: run.status().state == "stopped", "the run is stopped")


def resume(page, run: RunFolder) -> None:
    before = run.status().step
    steer(page, "Resume")
    wait_until(lambda: run.status().state == "running" and run.status().step > before, "the run goes on")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def fork(page, store: RunStore, run: RunFolder) -> RunFolder:
    """A short run from the first frame of the long one, with fewer steps, asked for in the dialog."""
    at_rest(page, page.locator(".player"))
    page.keyboard.press("Home")
    expect(page.locator('.player[data-drawn="-1"][data-step="-1"]')).to_be_visible()
    expect(page.get_by_role("button", name="Fork here")).to_be_hidden()  # nothing to take over yet
    page.keyboard.press("ArrowRight")
    expect(page.locator('.player[data-drawn="0"][data-step="0"]')).to_be_visible()
    page.get_by_role("button", name="Fork here").click()
    dialog = page.get_by_role("dialog")
    steps = dialog.get_by_role("spinbutton", name="steps")
    steps.fill(str(SHORT))
    steps.press("Enter")
    expect(steps).to_have_value(str(SHORT))
    dialog.get_by_role("button", name="Start the fork").click()
    expect(dialog).to_have_count(0)
    wait_until(lambda: len(store.runs()) == 2, "the fork is made")
    made = store.runs()[-1]
    expect(page).to_have_url(re.compile(f"run={re.escape(made.id)}"))
    config = made.config()
    assert (config.source, config.fork_step, config.steps) == (run.id, 1, SHORT)
    wait_until(lambda: made.status().state in ("finished", "failed"), "the fork ends")
    assert made.status().state == "finished", made.log_tail()
    expect(page.get_by_text("What the images are worth")).to_be_visible()
    return made


def show(page, title: str) -> None:
    """Open a page from the menu; it has its title and no accident."""
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.locator("h1", has_text=re.compile(f"^{title}$"))).to_be_visible()
    at_rest(page, page.locator(".lgm-head"))
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


def lasso(page, store: RunStore, address: str, made: RunFolder) -> None:
    """A map is computed from its page; some of its images are lassoed, one is clicked."""
    page.goto(f"{address}/embeddings?dataset=scenes&backbones={BACKBONE}")
    page.get_by_role("button", name="Compute", exact=True).click()
    canvas = page.locator(".map canvas[data-drawn]")
    wait_until(lambda: [run for run in store.runs() if run.config().kind == "embed"], "the map is asked for")
    run = store.runs()[-1]
    wait_until(lambda: run.status().state in ("finished", "failed"), "the map is made")
    assert run.status().state == "finished" and made.id in run.map()["sources"], run.log_tail()
    page.reload()
    at_rest(page, canvas)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
    page.mouse.up()
    expect(page.get_by_text("96 images in the lasso")).to_be_visible()  # sixteen classes of six
    expect(page.locator(".lgm-tiles .lgm-tile")).to_have_count(96)
    page.goto(f"{address}/embeddings?dataset=scenes&backbones={BACKBONE}&picked=real:5&method=pca")
    expect(page.get_by_text("Nearest real images, by cosine similarity")).to_be_visible()


def neighbours(page, address: str, made: RunFolder) -> None:
    page.goto(f"{address}/neighbours?run={made.id}&backbones={BACKBONE}")
    expect(page.get_by_text("Class centroid")).to_have_count(8)


def export(page, address: str, run: RunFolder) -> None:
    page.goto(f"{address}/watch?run={run.id}")
    page.get_by_text("Export the time-lapse").click()
    page.get_by_role("button", name="Make animated WebP").click()
    link = page.get_by_role("link", name="Download animated WebP")
    expect(link).to_be_visible()
    with urllib.request.urlopen(address + link.get_attribute("href")) as answer:
        film = Image.open(io.BytesIO(answer.read()))
    assert film.format == "WEBP" and film.n_frames == len(run.frame_list())
    film.seek(film.n_frames - 1)
    film.load()


def report(page, address: str, made: RunFolder, folder: Path) -> None:
    """Downloaded, and opened from disk."""
    page.goto(f"{address}/report?run={made.id}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the report").click()
    file = folder / "report.html"
    waiting.value.save_as(file)
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_have_text(made.id)
    expect(page.locator(".tiles img")).to_have_count(16)
    page.wait_for_function("() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    frames = [frame["step"] for frame in made.frame_list()]
    expect(page.locator(".player output")).to_have_text(f"step {frames[-1] + 1}")
    page.locator(".player").press("Home")
    expect(page.locator(".player output")).to_have_text(f"step {frames[0] + 1}")
