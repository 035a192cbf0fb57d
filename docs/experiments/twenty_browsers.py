"""Twenty people look at one running study: errors on their pages, and what it costs the server and each tab.

    python docs/experiments/twenty_browsers.py [MINUTES [TABS]]     # ten and twenty; needs chromium and playwright

The server runs as shipped, on a study of made-up runs, four finished and one that goes on: a process of its own adds a
metric and the status every second and a frame every ten, as a worker does. Each tab is a session (a context) of its
own and shows one of five pages of the study; two of five are loaded anew each minute. Counted from when all tabs are
drawn: errors of scripts, of the console and of pages, the server's memory at the begin and at the end, its processor
time and that of the tabs, and what each tab receives, by the browser's own count. Pages are laid out at 1280 x 900 and
painted at a quarter of that, as one machine without a graphics card paints all of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import mean

import psutil
from playwright.sync_api import Page, Response, TimeoutError, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lgm_core.runs.store import RunStore  # noqa: E402
from tests.browser import CHROMIUM, FLAGS, serve  # noqa: E402
from tests.fake_runs import fake_distill, fake_study  # noqa: E402

PAGES = ("", "watch?run=going", "cross_model?study=demo", "watch?run=going", "compare?runs=going&runs=still")
WRITER = """
import sys, time
from dataclasses import asdict, replace
from pathlib import Path
import numpy as np
from lgm_core.base.files import append_line
from lgm_core.runs.frames import add_frame
from lgm_core.runs.heart import Heart
from lgm_core.runs.store import RunFolder

run, steps = RunFolder(Path(sys.argv[1])), 4000
first = run.status().step + 1
with Heart(run, state="running") as heart:
    for step in range(first, steps):
        heart.set(step=step, steps=steps, phase="distilling", phase_done=step, phase_total=steps, seconds_per_step=1.0)
        append_line(run.metrics_file, {"step": step, "loss": 1 / (step + 1), "step_seconds": 1.0})
        if step % 10 == 0:
            pictures = np.random.default_rng(step).integers(0, 255, (10, 64, 64, 3), np.uint8)
            add_frame(pictures, step, run.frame_index)
        time.sleep(1)
"""


class Tab:
    """One session: what went wrong in it, and the bytes that it has received."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.wrong, self.bytes = page, list[str](), 0
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("response", self._read)
        page.set_default_timeout(300_000)
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.dataReceived", lambda told: self._receive(told["encodedDataLength"] or told["dataLength"]))
        network.on("Network.webSocketFrameReceived", lambda told: self._receive(len(told["response"]["payloadData"])))
        page.goto(address)
        page.wait_for_selector("h1")

    def _hear(self, kind: str, words: str) -> None:
        if kind == "error" and not words.startswith("Failed to load resource"):  # the answer names it
            self.wrong.append(words)

    def _read(self, answer: Response) -> None:
        sought = "/_stcore/" in answer.url and answer.status == 404  # Streamlit looks below the page's address first
        if answer.status >= 400 and not sought:
            self.wrong.append(f"{answer.status} {answer.url}")

    def _receive(self, count: int) -> None:
        self.bytes += count

    def look(self) -> None:
        """Note what the page says of errors."""
        self.wrong += [found.inner_text()[:200] for found in self.page.locator('[data-testid="stException"]').all()]
        self.wrong += [found.inner_text() for found in self.page.get_by_text("cannot be shown").all()]


def seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def seconds_of_tabs() -> float:
    """Processor time so far of the processes that draw pages."""
    seconds = 0.0
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # one that has ended meanwhile
            seconds += seconds_of(one) if "--type=renderer" in one.cmdline() else 0
    return seconds


def main(minutes: float, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        fake_study(store, "demo", seeds=1)
        fake_distill(store, name="still", study="demo")
        going = fake_distill(store, "paused", name="going", study="demo", steps=4000, frames=5)
        environment = os.environ | {"LGM_CACHE": folder, "PYTHONPATH": str(ROOT)}
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(going.path)], env=environment)
        try:
            with serve(Path(folder)) as address:
                children = psutil.Process().children()
                server = next(child for child in children if "streamlit" in child.cmdline())
                found = watched(address, server, minutes, count) | {"writer lives": writer.poll() is None}
        finally:
            writer.terminate()
            writer.wait()
        found["tracebacks of the server"] = (Path(folder) / "server.log").read_text().count("Traceback")
    print(json.dumps(found, indent=1))
    return int(bool(found["errors"] or found["tracebacks of the server"]))


def watched(address: str, server: psutil.Process, minutes: float, count: int) -> dict:
    """What is seen while the tabs are open."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tabs = []
        for number in range(count):
            page = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=0.25).new_page()
            tabs.append(Tab(page, f"{address}/{PAGES[number % len(PAGES)]}"))
        tabs[0].page.wait_for_timeout(10_000)
        start, before, memory = time.monotonic(), seconds_of(server), [server.memory_info().rss]
        received, spent = [tab.bytes for tab in tabs], seconds_of_tabs()
        drawn = late = 0
        while (left := start + 60 * minutes - time.monotonic()) > 0:
            tabs[0].page.wait_for_timeout(1000 * min(60, left))
            memory.append(server.memory_info().rss)
            for number, tab in enumerate(tabs):
                tab.look()
                if number % 5 < 2 and left > 60:
                    tab.page.reload()
                    try:
                        tab.page.wait_for_selector("h1", timeout=60_000)
                        drawn += 1
                    except TimeoutError:  # of a machine that draws all tabs by itself
                        late += 1
        passed, spent = time.monotonic() - start, seconds_of_tabs() - spent
        errors = Counter(words for tab in tabs for words in tab.wrong)
        bytes_per_minute = [round((tab.bytes - old) / passed * 60) for tab, old in zip(tabs, received, strict=True)]
        browser.close()
    return {
        "tabs": count, "minutes": round(passed / 60, 1), "loaded anew": drawn,
        "not drawn within a minute": late, "errors": dict(errors),
        "server MB": [round(one / 2**20) for one in memory],
        "server, % of a core": round(100 * (seconds_of(server) - before) / passed, 1),
        "a tab, % of a core": round(100 * spent / passed / count, 1),
        "kB a minute, by page": {
            page: round(mean(bytes_per_minute[place :: len(PAGES)]) / 1000, 1) for place, page in enumerate(PAGES)
        },
    }  # fmt: skip


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]] + [10.0, 20.0][len(sys.argv) - 1 :]
    sys.exit(main(given[0], int(given[1])))
