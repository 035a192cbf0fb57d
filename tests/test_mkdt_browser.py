"""MKDT in a real browser: chosen on Launch, started, watched stage by stage, stopped, looked at on the other pages.

Real digits, a tiny network, a teacher that is trained in the run; nothing depends on time.
"""

import re
from pathlib import Path

import pytest

from lgm_core.runs.store import RunFolder, RunStore
from tests.browser import at_rest, expect, serve, steer, wait_until

STEPS = 30_000  # more than are done before it is stopped
SETTINGS = (
    "pretrain.teacher:conv:batch", "pretrain.teacher_steps:60", "pretrain.seeds:1", "scratch.resolution:8",
    "scratch.width:4", "data.train_per_class:20", "data.test_per_class:10", "mkdt.experts:3", "mkdt.student_steps:3",
    "mkdt.initial:high-loss", "mkdt.rate:0.1", "mkdt.target_rate:1", "mkdt.image_rate:10",
    "live.times:2000", "live.steps:3", "live.test_images:50", "images_per_class:2",
    "device.threads:1", "device.device:cpu", "record.frames:2000", f"steps:{STEPS}",
)  # fmt: skip


@pytest.mark.slow
def test_mkdt_is_launched_and_watched_stage_by_stage(page, tmp_path: Path):
    with serve(tmp_path) as address:
        run = launch(page, address, RunStore(tmp_path / "runs"))
        watch(page, run)
        steer(page, "Stop")
        wait_until(lambda: run.status().state == "stopped", "the run is stopped")
        page.goto(f"{address}/report?run={run.id}")
        expect(page.get_by_text("Download the report")).to_be_visible()


def launch(page, address: str, store: RunStore) -> RunFolder:
    page.goto(f"{address}/launch?preset=mkdt_preview&dataset=digits&{'&'.join(f'set={one}' for one in SETTINGS)}")
    expect(page.get_by_role("radio", name="MKDT")).to_be_checked()
    expect(page.get_by_text(re.compile(rf"--steps\s+{STEPS}"))).to_be_visible()
    at_rest(page, page.locator(".lgm-head"))
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile("/watch.*run="))
    (run,) = store.runs()
    config = run.config()
    assert (config.method, config.dataset, config.pretrain.teacher) == ("mkdt", "digits", "conv:batch")
    return run


def watch(page, run: RunFolder) -> None:
    """The stages in one line, the images, step size, matching loss by expert and epoch, accuracy on the way."""
    line = page.get_by_text(re.compile(r"targets → .*experts → .*hardest images → .*matching .*→ pre-training"))
    expect(line).to_be_visible()
    expect(page.locator(".player[data-drawn]")).to_be_visible()
    for label in ("Matching loss", "Step size", "Experts visited"):
        expect(page.get_by_test_id("stMetricLabel").filter(has_text=label)).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="Experts visited")).to_contain_text("3 of 3")
    expect(page.get_by_text("from epoch 0").first).to_be_visible()
    expect(page.get_by_text("from epoch 1").first).to_be_visible()
    wait_until(lambda: sum("live:conv:instance" in found for found in run.metrics()) > 1, "it is judged on the way")
    drawn = int(page.locator(".player").get_attribute("data-drawn"))
    expect(page.locator(f'.player[data-drawn="{drawn}"]')).to_have_count(0)  # the next frame has come
