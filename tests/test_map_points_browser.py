"""The points of a large map in a real browser, drawn on a canvas or by a graphics card, which may be lost."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.maps.points import points_within, unit_points
from pages.parts.theme import class_colour
from tests.browser import AS_IF_A_CARD, at_rest, expect, pixels, serve, until
from tests.fake_runs import fake_distill, fake_embed
from tests.large_map import enlarge

MANY, CLEAR = 20_000, 9  # points; pixels around a point without another one
LEFT_HALF = "~-0.1,-0.1~0.5,-0.1~0.5,1.1~-0.1,1.1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    run = fake_embed(store, fake_distill(store, name="source"), backbone="dino_vits16", name="map-large")
    enlarge(run, MANY)
    return run


@pytest.fixture(scope="module")
def address(run: RunFolder) -> Iterator[str]:
    with serve(Path(run.path).parent.parent) as found:
        yield found


@pytest.fixture(params=["canvas", "card"])
def by(request: pytest.FixtureRequest, page: Any) -> str:
    """What the page draws with: without a graphics card it keeps to the canvas."""
    if request.param == "card":
        page.add_init_script(AS_IF_A_CARD)
    return request.param


def test_points_lie_in_their_colours_at_their_places_and_chosen_ones_stand_out(page, by, address, run):
    points, labels = unit_points(run.map(), "umap")[0], np.array(run.map()["labels"])
    for lasso, chosen in (("", np.ones(MANY, bool)), (LEFT_HALF, points[:, 0] < 0.5)):
        canvas = _map(page, address, lasso and run.id + lasso, by)
        box = canvas.bounding_box()
        side = min(box["width"], box["height"]) - 36
        places = points * side + [(box["width"] - side) / 2, (box["height"] - side) / 2]
        alone = [place for place in _alone(places) if abs(points[place, 0] - 0.5) > 0.001]
        assert len(alone) > 30 and len({*labels[alone]}) > 5 and {*chosen[alone]} == {True, not lasso}
        seen = _picture(canvas)
        for place, (x, y) in zip(alone, places[alone].astype(int), strict=True):
            (*colour, alpha), dimmed = seen[y, x], not chosen[place]
            wanted = class_colour(labels[place]).lstrip("#")
            np.testing.assert_allclose(colour, [*bytes.fromhex(wanted)], atol=16 if dimmed else 3)
            assert alpha == pytest.approx(255 * (0.13 if dimmed else 0.85), abs=4)


def test_the_card_draws_what_the_canvas_draws_and_leaves_it_to_the_canvas_when_it_is_lost(page, address, run):
    before = _picture(_map(page, address, run.id + LEFT_HALF, "canvas"))
    page.add_init_script(AS_IF_A_CARD)
    canvas = _map(page, address, run.id + LEFT_HALF, "card")
    apart = np.abs(_picture(canvas) - before)
    drawn = before[..., 3] > 0
    assert drawn.mean() > 0.05 and (apart[drawn].max(axis=1) > 8).mean() < 0.01 and apart[drawn].mean() < 1
    page.evaluate("() => window.cards.forEach((one) => one.getExtension('WEBGL_lose_context').loseContext())")
    page.get_by_role("button", name="Fit").click()
    expect(canvas).to_have_attribute("data-by", "canvas")
    until(page, lambda: np.array_equal(_picture(canvas), before), "the canvas shows what it showed without a card")


@pytest.mark.slow
def test_the_browser_and_the_server_find_the_same_images_in_a_lasso(page, by, address, run):
    points = unit_points(run.map(), "umap")[0]
    corners = [(0.1, 0.2), (0.9, 0.3), (0.3, 0.4), (0.8, 0.9), (0.45, 0.1), (0.2, 0.8)]  # it crosses itself
    inside = points_within((points * 65535).round() / 65535, corners).sum()
    assert 0 < inside < MANY
    _map(page, address, f"{run.id}~{'~'.join(f'{x},{y}' for x, y in corners)}", by)
    expect(page.locator(".lgm-maps")).to_have_attribute("data-selected", str(inside))
    expect(page.get_by_text(f"{inside} images in the lasso")).to_be_visible()


def _map(page: Any, address: str, lasso: str, by: str) -> Any:
    """The canvas of the map with this lasso, at rest."""
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16&lasso={lasso}")
    canvas = page.locator(f'.map canvas[data-drawn="{MANY}"]')
    at_rest(page, canvas)
    expect(canvas).to_have_attribute("data-by", by)
    return canvas


def _picture(canvas: Any) -> np.ndarray:
    """What a canvas shows, [height, width, 4]."""
    content = base64.b64decode(pixels(canvas).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)


def _alone(places: np.ndarray) -> list[int]:
    return [place for place, near in enumerate(cKDTree(places).query_ball_point(places, CLEAR)) if len(near) == 1]
