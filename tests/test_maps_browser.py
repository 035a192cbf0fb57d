"""The maps of a set that is learned in two networks, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.runs.store import RunStore
from tests.browser import expect, pixels, serve
from tests.fake_runs import fake_distill, write_lines


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    run = fake_distill(store, name="joint", backbone="mobilenet_v2+resnet18", steps=60)
    known = read_json(run.map_file)
    other = {"backbone": "resnet18", "explained": [0.2, 0.1], "points": [[y, x] for x, y in known["points"]]}
    write_json(run.map_file, known | {"backbone": "mobilenet_v2", "others": [other]})
    lines = [line | {"others": [line | {"points": [[y, x] for x, y in line["points"]]}]} for line in run.trail()]
    write_lines(run.trail_file, lines)
    with serve(store.root.parent) as address:
        yield address


def test_each_network_has_a_map_that_follows_the_frame(page: Any, server: str):
    page.goto(f"{server}/watch?run=joint")
    expect(page.locator(".player[data-drawn]")).to_be_visible()
    maps, captions = page.locator(".map-box canvas"), page.locator(".map-box figcaption")
    expect(captions).to_contain_text(["real ones in mobilenet_v2 (PCA", "real ones in resnet18 (PCA"])
    before = [pixels(maps.nth(place)) for place in range(2)]
    assert before[0] != before[1]
    page.keyboard.press("Home")
    expect(page.locator('.player[data-drawn="0"]')).to_be_visible()
    assert all(pixels(maps.nth(place)) != before[place] for place in range(2))
    box = maps.nth(1).bounding_box()
    for x in range(0, int(box["width"]), 6):  # until a real image lies under the pointer
        page.mouse.move(box["x"] + x, box["y"] + box["height"] / 2)
        if page.locator(".tip").is_visible():
            break
    expect(page.locator(".tip")).to_be_visible()
