"""How quick a map of very many points is, in Chromium: pan, hover, lasso; and what it takes to send it.

    python -m docs.experiments.map_points [POINTS ...]   # from the project's folder; default 10000 100000 1000000

The page Embeddings itself, served, with a made-up map of so many points on it. Needs Debian's chromium and the
development requirements. Prints two Markdown tables: median (worst) in milliseconds; then what the page takes.

*pan*: from frame to frame while the map is dragged, with a move in each (a screen at rest has 16.7). *pan ends*: from
the release to the frame in which all points are drawn anew. *hover*: from the mouse's move to the frame with the
point's ring and words, its thumbnail decoded. *lasso*: from the release to the frame that shows what is selected.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.maps.points import unit_points
from tests.browser import AS_IF_A_CARD, chromium, expect, opened, serve
from tests.fake_runs import fake_distill, fake_embed
from tests.large_map import enlarge

WAYS = {"canvas": "", "WebGL by SwiftShader": AS_IF_A_CARD}
HOVERS, LASSOS, FRAMES = 30, 5, 60
# Times of one kind of event, from its own time stamp to the frame after it, its thumbnail decoded.
WATCH = """(canvas, kind) => {
    const times = (window.times = []), tip = canvas.getRootNode().querySelector(".tip");
    const told = (event) => requestAnimationFrame(() => setTimeout(async () => {
        const url = tip.querySelector("i")?.style.backgroundImage.slice(5, -2);
        if (kind === "pointermove" && url) { const image = new Image(); image.src = url; await image.decode(); }
        times.push(performance.now() - event.timeStamp);
    }));
    canvas.addEventListener(kind, told);
    window.forget = () => canvas.removeEventListener(kind, told);
}"""
PAN = """async (canvas, [x, y, frames]) => {
    const times = [];
    for (let before = 0, place = 0; place < frames; place++) {
        const now = await new Promise(requestAnimationFrame), angle = (6.3 * place) / frames;
        if (before) times.push(now - before);
        before = now;
        const at = { clientX: x + 80 * Math.cos(angle), clientY: y + 80 * Math.sin(angle), bubbles: true };
        canvas.dispatchEvent(new PointerEvent("pointermove", at));
    }
    return times;
}"""


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    rows: list[str] = []
    print("| points | drawn by | pan | pan ends | hover | lasso |\n|---|---|---|---|---|---|")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            run = large_run(RunStore(Path(folder) / "runs"), count)
            with serve(Path(folder)) as address:
                for way, script in WAYS.items():
                    with chromium() as browser, opened(browser) as page:
                        page.add_init_script(script)
                        sent = watch_bytes(page)
                        seconds = first_paint(page, address)
                        first = sum(sent)
                        found = hands_on(page, unit_points(run.map(), "umap")[0])
                        times = " | ".join(f"{median(each):.0f} ({max(each):.0f})" for each in found.values())
                        print(f"| {count:,} | {way} | {times} |", flush=True)
                        rows.append(
                            f"| {count:,} | {way} | {seconds:.1f} | {first / 1e6:.2f} | "
                            f"{(sum(sent) - first) / LASSOS / 1e6:.2f} | {server_memory():.0f} |"
                        )
    print("\n| points | drawn by | s to the first picture | MB sent | MB a lasso | MB of the server |")
    print("\n".join(["|---|---|---|---|---|---|", *rows]))


def large_run(store: RunStore, count: int) -> RunFolder:
    """A run with a map of so many points."""
    run = fake_embed(store, fake_distill(store, name="source"), backbone="dino_vits16", name="map-large")
    enlarge(run, count)
    return run


def first_paint(page: Any, address: str) -> float:
    """Seconds until the map is drawn, in a tab that was never there."""
    began = time.perf_counter()
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16", wait_until="commit")
    page.locator(".map canvas[data-drawn]").wait_for()
    return time.perf_counter() - began


def hands_on(page: Any, points: np.ndarray) -> dict[str, list[float]]:
    """Milliseconds of each thing that a hand does on the map. `points`: where they are, on the unit square."""
    still(page)
    box = page.locator(".map canvas").bounding_box()
    x, y, side = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"]) - 36
    page.mouse.move(x, y)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(x + 40, y)
    found = {"pan": page.locator(".map canvas").evaluate(PAN, [x, y, FRAMES])}
    found["pan ends"] = timed(page, "pointerup", page.mouse.up)
    page.keyboard.up("Shift")
    page.get_by_role("button", name="Fit").click()
    found |= {"hover": [], "lasso": []}
    for across, down in points[np.random.default_rng(0).integers(len(points), size=HOVERS)]:
        place = x + (across - 0.5) * side, y + (down - 0.5) * side
        found["hover"] += timed(page, "pointermove", lambda place=place: page.mouse.move(*place))
        expect(page.locator(".tip")).to_be_visible()
    for place in range(LASSOS):
        wide = 0.3 + 0.01 * place
        page.mouse.move(x - wide * side, y - wide * side)
        page.mouse.down()
        for dx, dy in ((wide, -wide), (wide, wide), (-wide, wide)):
            page.mouse.move(x + dx * side, y + dy * side, steps=20)
        found["lasso"] += timed(page, "pointerup", page.mouse.up)
        assert int(page.locator(".lgm-maps").get_attribute("data-selected")) > 0.1 * len(points)
        expect(page.get_by_text("images in the lasso")).to_be_visible()
        still(page)
        page.get_by_role("button", name="Clear selection").click()
        still(page)
    return found


def timed(page: Any, kind: str, act: Any) -> list[float]:
    """Milliseconds from an event on the map to the frame that shows what came of it."""
    page.locator(".map canvas").evaluate(WATCH, kind)
    act()
    page.wait_for_function("() => window.times.length > 0")
    return page.evaluate("() => { window.forget(); return window.times; }")


def still(page: Any) -> None:
    """Until the page's script has ended and what it sent is drawn."""
    page.wait_for_timeout(300)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached()
    page.wait_for_timeout(300)


def watch_bytes(page: Any) -> list[int]:
    """A list that grows with the bytes that the tab receives."""
    sent, tab = [], page.context.new_cdp_session(page)
    tab.send("Network.enable")
    tab.on("Network.dataReceived", lambda event: sent.append(event["encodedDataLength"] or event["dataLength"]))
    # a frame of bytes comes as base64
    tab.on("Network.webSocketFrameReceived", lambda event: sent.append(3 * len(event["response"]["payloadData"]) // 4))
    return sent


def server_memory() -> float:
    """Resident megabytes of the dashboard that this program started."""
    servers = [one for one in psutil.Process().children() if "streamlit" in one.cmdline()]
    return sum(one.memory_info().rss for one in servers) / 1e6


if __name__ == "__main__":
    main()
