"""How quick the dashboard is, measured in Chromium: first paint, page switches, a scrub step, a map of 50,000 points.

    python -m docs.experiments.latency [RUNS]   # from the project's folder, with nothing else at work on the machine

A folder of RUNS runs (default 200) is made up for it. "Cold": a server that was never asked before, or a tab that has
never been at that page. A scrub step is timed from the key press to the frame on the canvas, in the browser. Needs
Debian's chromium and the development requirements. Prints a Markdown table: median and worst, in milliseconds.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from lgm_core.runs.store import RunStore
from tests.browser import chromium, expect, opened, serve
from tests.fake_runs import BACKBONES, fake_align, fake_distill, fake_embed, fake_study
from tests.large_map import enlarge

POINTS = 50_000
READY = {
    "Runs": '[data-testid="stDataFrame"]', "Launch": ".st-key-lgm_summary button", "Watch": ".player[data-drawn]",
    "Embeddings": ".map canvas[data-drawn]", "Neighbours": ".lgm-near", "Cross-model": ".lgm-matrix td",
    "Compare": ".lgm-both img", "Report": "iframe",
}  # fmt: skip


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        fill(RunStore(cache / "runs"), count)
        rows: dict[str, list[float]] = {}
        with serve(cache) as address, chromium() as browser:
            with opened(browser) as page:
                rows["first paint, cold server"] = [open_page(page, address, "h1")]
                page.locator(READY["Runs"]).wait_for()
            for name, selector in (("first paint, warm", "h1"), ("list of runs drawn, warm", READY["Runs"])):
                rows[name] = []
                for _ in range(5):
                    with opened(browser) as page:
                        rows[name].append(open_page(page, address, selector))
            with opened(browser) as page:
                open_page(page, address, READY["Runs"])
                for words in ("cold", "warm", "warm", "warm"):
                    for title in [*list(READY)[1:], "Runs"]:
                        head, whole = switch(page, title)
                        rows.setdefault(f"to {title}, {words}: its head", []).append(head)
                        rows.setdefault(f"to {title}, {words}: all of it", []).append(whole)
            with opened(browser) as page:
                for run in ("watched", "hundred"):
                    rows[f"key press to frame, {run}"] = scrub(page, address, run)
                rows |= large_map(page, address)
    print(f"| {count} runs | median, ms | worst, ms |\n|---|---|---|")
    for name, times in rows.items():
        print(f"| {name} | {median(times):.0f} | {max(times):.0f} |")


def fill(store: RunStore, count: int) -> None:
    """A study, maps, one of them large, and many runs; the newest is the one to watch."""
    fake_study(store)
    fake_align(store)
    for place in range(count - 18):
        fake_distill(store, name=f"run-{place:03d}", seed=place, frames=12)
    fake_distill(store, name="hundred", classes=100, steps=500, frames=120)
    source = fake_distill(store, name="watched", steps=500, frames=120)
    enlarge(fake_embed(store, source, backbone="dino_vits16", name="map-large"), POINTS)
    for backbone in BACKBONES:
        fake_embed(store, source, backbone=backbone, name=f"map-{backbone}")
    fake_embed(store, source, backbone="clip_vitb32", name="map-more")


def open_page(page: Any, address: str, selector: str) -> float:
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(selector).first.wait_for()
    return 1000 * (time.perf_counter() - began)


def switch(page: Any, title: str) -> tuple[float, float]:
    """From the click on the menu to the page's title, and to what the page is for."""
    link = page.get_by_role("link", name=title, exact=True)
    link.hover()
    began = time.perf_counter()
    link.click()
    page.locator("h1", has_text=title).wait_for()
    head = time.perf_counter() - began
    page.locator(READY[title]).first.wait_for()
    whole = time.perf_counter() - began
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached()
    page.wait_for_timeout(500)
    return 1000 * head, 1000 * whole


def scrub(page: Any, address: str, run: str) -> list[float]:
    """What the player itself counts, in the browser: from the event of the key to the drawn canvas."""
    page.goto(f"{address}/watch?run={run}")
    player = page.locator(".player[data-drawn]")
    player.wait_for()
    page.keyboard.press("Home")
    page.locator('.player[data-drawn="0"]').wait_for()
    times = []
    for key in ["ArrowRight"] * 60 + ["Shift+ArrowLeft"] * 5 + ["ArrowRight"] * 20:
        before = player.get_attribute("data-step")
        page.keyboard.press(key)
        expect(player).not_to_have_attribute("data-drawn", before)
        times.append(float(player.get_attribute("data-latency")))
    return times


def large_map(page: Any, address: str) -> dict[str, list[float]]:
    """Zoom, hover and lasso on 50,000 points, until the canvas is drawn anew."""
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16")
    canvas = page.locator(".map canvas[data-drawn]")
    canvas.wait_for()
    page.wait_for_timeout(1500)
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    found: dict[str, list[float]] = {"50,000 points, a turn of the wheel": [], "50,000 points, hover": []}
    page.mouse.move(x, y)
    for place in range(20):
        for name, act in (
            ("50,000 points, a turn of the wheel", lambda place=place: page.mouse.wheel(0, -30 if place % 2 else 30)),
            ("50,000 points, hover", lambda place=place: page.mouse.move(x + 7 * place, y + 3 * place)),
        ):
            began = time.perf_counter()
            act()
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            found[name].append(1000 * (time.perf_counter() - began))
    lasso = []
    for _ in range(3):
        page.mouse.move(x - 100, y - 100)
        page.mouse.down()
        for dx, dy in ((100, -100), (100, 100), (-100, 100)):
            page.mouse.move(x + dx, y + dy, steps=6)
        began = time.perf_counter()
        page.mouse.up()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        lasso.append(1000 * (time.perf_counter() - began))
        page.get_by_role("button", name="Clear selection").click()
        page.wait_for_timeout(1500)
    return found | {"50,000 points, lasso shown": lasso}


if __name__ == "__main__":
    main()
