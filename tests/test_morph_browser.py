"""The morphing map in a real browser: the slider, a lasso on the way, a group that stands out, their link."""

import re
from collections.abc import Iterator

import pytest

from lgm_core.runs.store import RunStore
from tests.browser import at_rest, expect, pixels, serve, until
from tests.fake_disagreement import fake_disagreement
from tests.fake_runs import BACKBONES

PAIR = f"disagreement?dataset=imagenette&look=map&backbones={BACKBONES[0]}&backbones={BACKBONES[1]}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    fake_disagreement(store)
    with serve(store.root.parent) as found:
        yield found


@pytest.mark.slow
def test_the_slider_moves_the_points_and_a_chosen_group_stays_in_sight(page, address):
    page.goto(f"{address}/{PAIR}&group=first-0")
    maps, canvas = page.locator(".lgm-maps"), page.locator(".map canvas")
    expect(maps).to_have_attribute("data-selected", "5")
    at_rest(page, canvas)
    before = pixels(canvas)
    page.locator(".morph .names button").nth(1).click()
    expect(maps).to_have_attribute("data-at", "1.00")
    expect(page).to_have_url(re.compile("at=1.00"))
    until(page, lambda: pixels(canvas) != before, "the points have moved")
    expect(maps).to_have_attribute("data-selected", "5")


@pytest.mark.slow
def test_a_lasso_between_two_backbones_counts_alike_in_browser_and_page(page, address):
    page.goto(f"{address}/{PAIR}&at=0.5&lasso=at-0.50~0,0~0.5,0~0.5,1~0,1")
    maps = page.locator(".lgm-maps")
    expect(maps).to_have_attribute("data-at", "0.50")
    expect(maps).to_have_attribute("data-selected", re.compile("^[1-9]"))
    count = int(maps.get_attribute("data-selected"))
    expect(page.get_by_text(f"{count} images in the lasso")).to_be_visible()
    assert 0 < count < 240
