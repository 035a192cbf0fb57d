"""The points of a large map in a real browser: each at its place, in its colour; the chosen ones stand out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.maps.map import points_within, unit_points
from pages.parts.theme import class_colour
from tests.browser import at_rest, expect, serve
from tests.fake_runs import fake_distill, fake_embed
from tests.large_map import enlarge

MANY, CLEAR = 6_000, 9  # points; pixels around a point without another one
LEFT_HALF = "~0.0,0.0~0.5,0.0~0.5,1.0~0.0,1.0"


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


def test_points_lie_in_their_colours_at_their_places_and_chosen_ones_stand_out(page, address, run):
    points, labels = unit_points(run.map(), "umap")[0], np.array(run.map()["labels"])
    for lasso, chosen in (("", np.ones(MANY, bool)), (LEFT_HALF, points[:, 0] < 0.5)):
        page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16&lasso={lasso and run.id + lasso}")
        canvas = page.locator(f'.map canvas[data-drawn="{MANY}"]')
        at_rest(page, canvas)
        box = canvas.bounding_box()
        side = min(box["width"], box["height"]) - 36
        places = points * side + [(box["width"] - side) / 2, (box["height"] - side) / 2]
        alone = [place for place in range(MANY) if _is_alone(places, place)]
        assert len(alone) > 30 and len({*labels[alone]}) > 5 and {*chosen[alone]} == {True, not lasso}
        seen = canvas.evaluate(
            "(one, places) => places.map(([x, y]) => [...one.getContext('2d').getImageData(x, y, 1, 1).data])",
            np.floor(places[alone]).tolist(),
        )
        for place, (*colour, alpha) in zip(alone, seen, strict=True):
            dimmed = not chosen[place]
            wanted = class_colour(labels[place]).lstrip("#")
            np.testing.assert_allclose(colour, [*bytes.fromhex(wanted)], atol=16 if dimmed else 3)
            assert alpha == pytest.approx(255 * (0.13 if dimmed else 0.85), abs=4)


def test_the_browser_and_the_server_find_the_same_images_in_a_lasso(page, address, run):
    points = unit_points(run.map(), "umap")[0]
    corners = [(0.1, 0.2), (0.9, 0.3), (0.3, 0.4), (0.8, 0.9), (0.45, 0.1), (0.2, 0.8)]  # it crosses itself
    inside = points_within((points * 65535).round() / 65535, corners).sum()
    assert 0 < inside < MANY
    words = "~".join(f"{x},{y}" for x, y in corners)
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16&lasso={run.id}~{words}")
    expect(page.locator(".lgm-maps")).to_have_attribute("data-selected", str(inside))
    expect(page.get_by_text(f"{inside} images in the lasso")).to_be_visible()


def _is_alone(places: np.ndarray, place: int) -> bool:
    return (np.abs(places - places[place]).max(axis=1) < CLEAR).sum() == 1
