"""RCIG in a real browser: chosen on Launch, started, watched, paused, resumed, looked at on the other pages.

Real digits, a tiny network; nothing depends on time.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lgm_core.runs.store import RunFolder, RunStore
from tests.browser import at_rest, expect, serve, steer, wait_until

STEPS = 30_000  # more than are done before it is stopped
SETTINGS = (
    "rcig.width:4", "rcig.pool:3", "rcig.batch:64", "data.train_per_class:20", "data.test_per_class:10",
    "live.times:2", "live.test_images:50", "live.steps:10", "scratch.steps:60", "scratch.seeds:2", "device.threads:1",
    "device.device:cpu", "record.frames:2000",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path) as found:
        yield found


@pytest.mark.slow
def test_rcig_is_launched_watched_paused_resumed_and_reported(page, address: str, store: RunStore):
    run = launch(page, address, store)
    watch(page, run)
    pause_and_resume(page, run)
    results(page, address, run)


def launch(page, address: str, store: RunStore) -> RunFolder:
    page.goto(f"{address}/launch?preset=rcig_digits&{'&'.join(f'set={setting}' for setting in SETTINGS)}")
    expect(page.get_by_role("radio", name="RCIG")).to_be_checked()
    steps = page.get_by_role("spinbutton", name="steps").first
    steps.fill(str(STEPS))
    steps.press("Enter")
    expect(page.get_by_text(re.compile(rf"--steps\s+{STEPS}"))).to_be_visible()
    at_rest(page, page.locator(".lgm-head"))
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile("/watch.*run="))
    (run,) = store.runs()
    return run


def watch(page, run: RunFolder) -> None:
    """Pictures, and the panel with a heat map, traces and lengths."""
    expect(page.locator(".player[data-drawn]")).to_be_visible()
    expect(page.get_by_text("Labels and gradients")).to_be_visible()
    expect(page.get_by_test_id("stMetricLabel").filter(has_text="Temperature")).to_be_visible()
    expect(page.locator(".js-plotly-plot .heatmaplayer image")).to_have_count(1)
    expect(page.locator(".js-plotly-plot .scatterlayer .trace")).not_to_have_count(0)
    drawn = int(page.locator(".player").get_attribute("data-drawn"))
    expect(page.locator(f'.player[data-drawn="{drawn}"]')).to_have_count(0)  # the next frame has come
    config = run.config()
    assert (config.method, config.steps, config.scratch.width, run.status().state) == ("rcig", STEPS, 4, "running")


def pause_and_resume(page, run: RunFolder) -> None:
    steer(page, "Pause")
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    wait_until(lambda: run.status().state == "paused", "the run is paused")
    before = run.status().step
    steer(page, "Resume")
    wait_until(lambda: run.status().state == "running" and run.status().step > before, "the run goes on")
    steer(page, "Stop")
    wait_until(lambda: run.status().state == "stopped", "the run is stopped")


def results(page, address: str, run: RunFolder) -> None:
    """The other pages say what there is to say of networks, and what there is not."""
    said = {
        f"report?run={run.id}": "Download the report",
        "cross_model?study=dataset:digits": "over the networks",
        f"neighbours?run={run.id}&backbones=conv": "have no features to",
        "embeddings?dataset=digits&backbones=conv": "have no features to",
    }
    for link, words in said.items():
        page.goto(f"{address}/{link}")
        expect(page.get_by_text(words)).to_be_visible()
        at_rest(page, page.locator(".lgm-head"))
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
