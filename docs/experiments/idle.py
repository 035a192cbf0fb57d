"""What the dashboard's server costs while nobody does anything: per cent of one core, with tabs that are open.

    python docs/experiments/idle.py [SECONDS]      # one table; needs chromium and the development requirements

The server runs as shipped (.streamlit/config.toml), on made-up runs in a temporary folder. User and system time of the
server's process, from /proc, over SECONDS (default 60) after ten that are not counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lgm_core.runs.store import RunStore  # noqa: E402
from tests.fake_runs import fake_distill, fake_study  # noqa: E402

PORT, WARM_UP = 8790, 10
CASES = {
    "no tab": [],
    "one tab, Runs": [""],
    "one tab, Watch, finished": ["watch?run=finished"],
    "one tab, Watch, running": ["watch?run=running"],
    "five tabs, Watch, running": ["watch?run=running"] * 5,
    "one tab, Cross-model, a finished study": ["cross_model?study=demo"],
}


def seconds_of(process: int) -> float:
    """User and system time so far, with that of its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        for state in ("finished", "running"):
            fake_distill(store, state, name=state)
        fake_study(store)
        environment = os.environ | {"LGM_CACHE": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(PORT)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            time.sleep(15)
            print("| open | of a core, % |\n|---|---|")
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                for name, addresses in CASES.items():
                    tabs = [browser.new_page() for _ in addresses]
                    for tab, address in zip(tabs, addresses, strict=True):
                        tab.goto(f"http://localhost:{PORT}/{address}")
                        tab.wait_for_selector("h1", timeout=60_000)
                    time.sleep(WARM_UP)
                    before, began = seconds_of(server.pid), time.monotonic()
                    time.sleep(seconds)
                    share = (seconds_of(server.pid) - before) / (time.monotonic() - began)
                    print(f"| {name} | {100 * share:.2f} |", flush=True)
                    for tab in tabs:
                        tab.close()
                browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
