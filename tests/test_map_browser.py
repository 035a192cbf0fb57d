"""The maps in a real browser: hover, lasso, linked selection, neighbours, the link to what one sees, 50,000 points."""

import re
from collections.abc import Iterator

import pytest

from lgm_core.base.files import read_json, write_json
from lgm_core.runs.store import RunStore
from tests.browser import at_rest, expect, pixels, serve, until
from tests.fake_runs import REAL, fake_distill, fake_embed
from tests.large_map import enlarge

MANY = 50_000
BOTH = "embeddings?dataset=imagenette&backbones=mobilenet_v2&backbones=clip_vitb16"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Two maps of the same images, and a large one."""
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    source = fake_distill(store, name="source", backbone="mobilenet_v2")
    for backbone in ("mobilenet_v2", "clip_vitb16"):
        fake_embed(store, source, backbone=backbone, name=f"map-{backbone}")
    shapes = fake_embed(store, source, backbone="tf_efficientnet_lite0", name="map-shapes")
    facts = read_json(shapes.map_file)
    for choice in ("random", "centroids"):
        fake_distill(store, name=choice, kind="baseline", baseline={"choice": choice})
        facts["sources"][choice] = facts["sources"]["source"]
    write_json(shapes.map_file, facts)
    grouped = fake_embed(store, source, backbone="resnet18", name="map-groups")
    facts = read_json(grouped.map_file)
    facts |= {"groups": [row % 3 for row in range(REAL)], "group_names": ["sand", "water", "wood"]}
    write_json(grouped.map_file, facts)
    enlarge(fake_embed(store, source, backbone="dino_vits16", name="map-large"), MANY)
    return store


@pytest.fixture(scope="module")
def address(store: RunStore) -> Iterator[str]:
    with serve(store.root.parent) as found:
        yield found


def test_lasso_shows_the_images_and_marks_them_in_every_map(page, address):
    page.goto(f"{address}/{BOTH}")
    canvases = _maps(page, 2)
    before = [pixels(canvas) for canvas in canvases]
    _draw_around(page, canvases[0], 0.5, 0.0, 1.0, 0.5)
    count = _selected(page)
    assert 0 < count < REAL
    expect(page.get_by_text(f"{count} images in the lasso")).to_be_visible()
    expect(page.locator(".lgm-tiles .lgm-tile")).to_have_count(min(count, 96))
    for canvas, old in zip(canvases, before, strict=True):  # both maps dim what is not chosen
        until(page, lambda canvas=canvas, old=old: pixels(canvas) != old, "the map shows the selection")


def test_distilled_random_and_chosen_images_differ_in_shape(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=tf_efficientnet_lite0")
    _maps(page, 1)
    for words in ("★ distilled", "▲ random real images", "◆ chosen real images"):
        expect(page.locator(".legend .shape", has_text=words)).to_be_visible()


def test_points_are_coloured_by_class_or_by_group(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=resnet18")
    (canvas,) = _maps(page, 1)
    by_class, legend = pixels(canvas), page.locator(".lgm-maps .legend")
    expect(legend).to_contain_text("tench")
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=resnet18&colour=group")
    for name in ("sand", "water", "wood"):
        expect(legend).to_contain_text(name)
    (canvas,) = _maps(page, 1)
    until(page, lambda: pixels(canvas) != by_class, "the points have the colours of their groups")


def test_points_are_opened_and_selected_with_the_keyboard(page, address):
    page.goto(f"{address}/{BOTH}")
    canvas = _maps(page, 2)[0]
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    first = page.locator(".lgm-maps").get_attribute("data-hover")
    assert first != ""
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.locator(".lgm-maps").get_attribute("data-hover") not in ("", first)
    page.keyboard.press("s")
    few = _selected(page)
    page.keyboard.press("s")
    page.keyboard.press("s")
    until(page, lambda: _selected(page) > few > 0, "more is selected")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nearest real images, by cosine similarity").first).to_be_visible()


def test_every_choice_is_within_reach_in_a_narrow_window(page, address):
    page.set_viewport_size({"width": 800, "height": 1000})
    page.goto(f"{address}/{BOTH}")
    for name in ("UMAP", "PCA", "Class", "Probe error", "Distance"):
        expect(page.get_by_role("radio", name=name)).to_be_in_viewport(ratio=1)


def test_a_link_opens_the_same_lasso(page, address):
    page.goto(f"{address}/{BOTH}&lasso=map-mobilenet_v2~0.5,0.0~1.0,0.0~1.0,0.5~0.5,0.5")
    _maps(page, 2)
    count = _selected(page)
    assert 0 < count < REAL
    expect(page.get_by_text(f"{count} images in the lasso")).to_be_visible()
    page.get_by_role("button", name="Clear selection").click()
    expect(page).not_to_have_url(re.compile("lasso="))


def test_hover_shows_a_thumbnail_and_a_click_the_neighbours(page, address, store):
    page.goto(f"{address}/{BOTH}")
    canvas = _maps(page, 2)[0]
    x, y = _star(page, store)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    expect(page.locator(".tip")).to_contain_text("tench, distilled")
    expect(page.locator(".tip i")).to_have_attribute("style", re.compile("webp"))
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page.get_by_text("Nearest, by cosine similarity")).to_have_count(2)  # a row for each backbone
    expect(page).to_have_url(re.compile("picked=star"))


@pytest.mark.slow
def test_fifty_thousand_points_can_be_zoomed_hovered_and_lassoed(page, address):
    page.goto(f"{address}/embeddings?dataset=imagenette&backbones=dino_vits16")
    canvas = _maps(page, 1)[0]
    expect(page.get_by_text("50000 images")).to_be_visible()
    box, before = canvas.bounding_box(), pixels(canvas)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, -200)
    until(page, lambda: pixels(canvas) != before, "the wheel zooms")
    page.get_by_role("button", name="Fit").click()
    _draw_around(page, canvas, 0.2, 0.2, 0.8, 0.8)
    count = _selected(page)
    assert 0 < count < MANY
    expect(page.get_by_text(f"{count} images in the lasso")).to_be_visible()


def _maps(page, count: int) -> list:
    """The canvases of so many maps, drawn and at rest."""
    expect(page.locator(".map canvas[data-drawn]")).to_have_count(count)
    canvases = [page.locator(".map canvas").nth(place) for place in range(count)]
    for canvas in canvases[::-1]:
        at_rest(page, canvas)
    return canvases


def _selected(page) -> int:
    """How many images the browser says are in the lasso, once there are any."""
    maps = page.locator(".lgm-maps")
    expect(maps).to_have_attribute("data-selected", re.compile("^[1-9]"))
    return int(maps.get_attribute("data-selected"))


def _draw_around(page, canvas, left: float, top: float, right: float, bottom: float) -> None:
    at_rest(page, canvas)
    box = canvas.bounding_box()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    inset = [(box["x"] + 4 + x * (box["width"] - 8), box["y"] + 4 + y * (box["height"] - 8)) for x, y in corners]
    page.mouse.move(*inset[0])
    page.mouse.down()
    for corner in inset[1:]:
        page.mouse.move(*corner, steps=8)
    page.mouse.up()


def _star(page, store: RunStore) -> tuple[float, float]:
    """Where the first star lies on the first map, in pixels, by the component's own arithmetic."""
    from pages.parts.maps.points import unit_points

    found = store.open("map-mobilenet_v2").map()
    x, y = unit_points(found, "umap")[1]["source"][0]
    box = page.locator(".map canvas").first.bounding_box()
    size = min(box["width"], box["height"]) - 36
    return (box["width"] - size) / 2 + x * size, (box["height"] - size) / 2 + y * size
