"""The player over a slow line: frames that come later than the run makes new ones, and the first answer of all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lgm_core.base.locks import take
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.frames import save_atlas
from lgm_core.runs.store import RunStore
from tests.browser import expect, serve, until
from tests.fake_pictures import picture
from tests.fake_runs import fake_distill, write_lines

# Pictures of these steps are on their way until `window.letThrough(step)`.
SLOW = """() => {
    const { fetch } = window, through = {};
    const come = Object.fromEntries([55, 57].map((step) => [step, new Promise((come) => (through[step] = come))]));
    window.letThrough = (step) => through[step]();
    window.fetch = async (url, ...more) => {
        const found = /frames\\/0000(55|57)/.exec(url);
        if (found) await come[found[1]];
        return fetch(url, ...more);
    };
}"""


def add_frame(run: RunFolder, step: int):
    frame = run.frame_list()[-1]
    save_atlas(picture(np.arange(10), 0.9, 48), run.frames / f"{step:06d}.webp")
    write_lines(run.frame_index, [*run.frame_list(), frame | {"step": step, "file": f"{step:06d}.webp"}])


@pytest.mark.slow
def test_a_frame_that_comes_late_is_drawn_until_the_newest_one_is_there(page: Any, tmp_path: Path):
    run = fake_distill(RunStore(tmp_path / "runs"), "running", name="live", steps=60)
    writer = take(run.lock_file)
    assert writer is not None
    with writer, serve(tmp_path) as address:
        page.goto(f"{address}/watch?run=live")
        expect(page.locator(".player[data-drawn]")).to_be_visible()
        first = page.locator(".player").get_attribute("data-drawn")
        page.evaluate(SLOW)
        for step in (55, 57):
            add_frame(run, step)
            expect(page.locator(f'.player[data-step="{step}"][data-drawn="{first}"]')).to_be_visible()
        page.evaluate("letThrough(55)")
        expect(page.locator('.player[data-step="57"][data-drawn="55"]')).to_be_visible()
        page.evaluate("letThrough(57)")
        expect(page.locator('.player[data-step="57"][data-drawn="57"]')).to_be_visible()


def test_until_the_server_answers_nothing_is_said_of_the_run(page: Any, tmp_path: Path):
    fake_distill(RunStore(tmp_path / "runs"), name="ended")
    asked: list[Any] = []
    page.route("**/new?*", lambda route: route.continue_() if asked else asked.append(route))
    with serve(tmp_path) as address:
        page.goto(f"{address}/watch?run=ended")
        expect(page.locator(".player .words")).to_have_text("Loading the images and curves …")
        until(page, lambda: asked, "the player asks")
        expect(page.locator(".player .stage")).to_be_hidden()
        asked[0].continue_()
        expect(page.locator(".player[data-drawn]")).to_be_visible()
        expect(page.locator(".player .words")).to_be_hidden()
