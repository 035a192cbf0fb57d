"""Does the dashboard's server grow? Its memory while tabs go from page to page, as Markdown.

    python docs/experiments/memory.py [MINUTES]      # default 10; needs chromium and the development requirements

Three tabs, each at another page, go to the next page every ten seconds; the server runs as shipped, on made-up runs in
a temporary folder, one of them "running". Resident memory of the server's process, from psutil, once a minute.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lgm_core.runs.store import RunStore  # noqa: E402
from tests.fake_runs import BACKBONES, fake_align, fake_distill, fake_embed, fake_study  # noqa: E402

PORT, TABS, STAYS = 8791, 3, 10.0  # seconds at a page
PAGES = (
    "", "launch", "watch?run=source", "watch?run=running", "embeddings", "neighbours?run=source", "cross_model",
    "compare?runs=source&runs=running", "report?run=source",
)  # fmt: skip


def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        fake_embed(store, fake_distill(store, name="source"), backbone=BACKBONES[0], name="map")
        fake_distill(store, "running", name="running")
        fake_study(store)
        fake_align(store)
        environment = os.environ | {"LGM_CACHE": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(PORT)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            time.sleep(15)
            watch(psutil.Process(server.pid), minutes)
        finally:
            server.terminate()
            server.wait()


def watch(server: psutil.Process, minutes: float) -> None:
    began, told, opened = time.monotonic(), -1, 0
    print("| minute | pages opened | MB |\n|---|---|---|")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tabs = [browser.new_page() for _ in range(TABS)]
        while (passed := time.monotonic() - began) < 60 * minutes:
            for place, tab in enumerate(tabs):
                tab.goto(f"http://localhost:{PORT}/{PAGES[(opened + 3 * place) % len(PAGES)]}")
                tab.wait_for_selector("h1", timeout=60_000)
            opened += 1
            if int(passed // 60) > told:
                told = int(passed // 60)
                print(f"| {told} | {TABS * opened} | {server.memory_info().rss / 2**20:.0f} |", flush=True)
            time.sleep(STAYS)
        print(f"| {minutes:g} | {TABS * opened} | {server.memory_info().rss / 2**20:.0f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
