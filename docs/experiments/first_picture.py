"""From Start to the first picture: the first run of a stranger, in a browser, on this machine.

    python docs/experiments/first_picture.py [TIMES]     # needs chromium and the weights that `make setup` fetches

An empty folder of runs, "Launch the first run" on the page Runs, Start; then the seconds until Watch is there, and
until its first picture is. Beside them the phases by the status, and the CPU seconds of the worker: beside other work
only these can be compared.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lgm_core.runs.store import RunStore  # noqa: E402
from tests.browser import chromium, opened, serve  # noqa: E402


def main(times: int) -> None:
    print("| Watch, s | first picture, s | worker, CPU s | phases, and the second they were seen |")
    print("|---|---|---|---|")
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as address, chromium() as browser:
            print(measured(browser, address, Path(folder)), flush=True)


def measured(browser: Any, address: str, cache: Path) -> str:
    with opened(browser) as page:
        return _measured(page, address, cache)


def _measured(page: Any, address: str, cache: Path) -> str:
    page.goto(address)
    page.get_by_role("button", name="Launch the first run").click()
    start = page.get_by_role("button", name="Start")
    start.and_(page.locator(":enabled")).wait_for()
    page.wait_for_timeout(2000)  # a person reads what is about to be done
    began, phases = time.monotonic(), dict[str, float]()
    start.click()
    page.get_by_role("heading", name="Watch").wait_for()
    watch = time.monotonic() - began
    while not page.locator(".player[data-drawn]").count():
        for run in RunStore(cache / "runs").runs():
            phases.setdefault(run.status().phase, time.monotonic() - began)
        page.wait_for_timeout(50)
    picture = time.monotonic() - began
    (run,) = RunStore(cache / "runs").runs()
    worker = psutil.Process(run.status().pid)
    cpu = sum(worker.cpu_times()[:2])
    run.ask("stop")
    worker.wait(60)
    told = ", ".join(f"{name or 'none'} {second:.1f}" for name, second in phases.items())
    return f"| {watch:.1f} | {picture:.1f} | {cpu:.1f} | {told} |"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
