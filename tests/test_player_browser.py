"""The player in a real browser: keys, play, zoom, a run that goes on, the address, the time-lapse."""

import base64
import io
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lgm_core.base.files import read_json, write_json
from lgm_core.base.locks import take
from lgm_core.runs.frames import save_atlas
from lgm_core.runs.store import RunStore
from tests.browser import at_rest, expect, pixels, serve, until
from tests.fake_pictures import picture
from tests.fake_runs import CLASSES, fake_distill, write_lines


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    fake_distill(store, name="ended", steps=500, frames=40)
    fake_distill(store, name="hundred", classes=100, steps=500, frames=40)
    fake_distill(store, name="rows", images_per_class=10, steps=20, frames=3)
    return store


@pytest.fixture(scope="module")
def server(store: RunStore) -> Iterator[str]:
    with serve(store.root.parent) as address:
        yield address


def open_player(page: Any, server: str, query: str) -> Any:
    """The player's element, once its first frame is drawn."""
    page.goto(f"{server}/watch?{query}")
    expect(page.locator(".player[data-drawn]")).to_be_visible()
    return page.locator(".player")


def drawn(page: Any, step: int) -> None:
    """Until the player is at a step and its frame is on the canvas."""
    expect(page.locator(f'.player[data-drawn="{step}"][data-step="{step}"]')).to_be_visible()


def click_first_tile(page: Any, player: Any) -> None:
    at_rest(page, player.locator(".atlas"))
    player.locator(".atlas").click(position={"x": 40, "y": 40})


def steps_of(store: RunStore, name: str) -> list[int]:
    return [frame["step"] for frame in store.open(name).frame_list()]


def test_a_link_into_a_fresh_server_shows_the_whole_dashboard(page: Any, server: str):
    open_player(page, server, "run=ended")
    expect(page).to_have_title("ended · Watch · LGM Studio")
    expect(page.get_by_role("link", name="Cross-model")).to_be_visible()
    page.goto(f"{server}/runs?search=ended")
    expect(page.get_by_text("1 of 3 runs")).to_be_visible()


@pytest.mark.parametrize("name", ["ended", "hundred"])
def test_arrow_keys_scrub(page: Any, server: str, store: RunStore, name: str):
    steps = steps_of(store, name)
    player = open_player(page, server, f"run={name}")
    drawn(page, steps[-1])
    page.keyboard.press("Home")
    drawn(page, 0)
    for step in steps[1:15]:
        page.keyboard.press("ArrowRight")
        drawn(page, step)
    page.keyboard.press("ArrowLeft")
    drawn(page, steps[13])
    page.keyboard.press("Shift+ArrowLeft")
    drawn(page, steps[3])
    expect(player.locator(".where")).to_have_text(f"Step {steps[3] + 1} of 500")
    expect(player.locator(".loss-now")).to_have_text(f"{0.2 + 0.8 * np.exp(-4 * steps[3] / 499):.3f}")
    page.keyboard.press("End")
    drawn(page, steps[-1])


def test_cursor_and_trail_follow_the_scrubber(page: Any, server: str, store: RunStore):
    steps = steps_of(store, "ended")
    player = open_player(page, server, "run=ended")
    loss, chart = (player.locator(f"canvas.{name}") for name in ("loss", "map"))
    found = []
    for key, step in (("Home", steps[0]), ("End", steps[-1]), ("Home", steps[0])):
        page.keyboard.press(key)
        drawn(page, step)
        found.append((as_array(loss), as_array(chart)))
    (curve, points), (curve_then, points_then), (curve_again, points_again) = found
    assert (curve == curve_again).all() and (points == points_again).all()
    assert (points != points_then).any(axis=-1).sum() > 100  # the stars have moved, and left their trails
    (changed,) = np.nonzero((curve != curve_then).any(axis=(0, 2)))
    width = loss.bounding_box()["width"]
    for column, place in ((changed.min(), 44), (changed.max(), width - 8)):  # the cursor, at both ends of the axis
        assert abs(column * width / curve.shape[1] - place) < 6


def as_array(canvas: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(pixels(canvas).partition(",")[2]))).convert("RGB"))


def test_several_images_per_class_have_a_row_per_class(page: Any, server: str):
    player = open_player(page, server, "run=rows")
    atlas = player.locator(".atlas")
    at_rest(page, atlas)
    box = atlas.bounding_box()
    side = box["height"] / 10
    atlas.click(position={"x": box["width"] - side / 2, "y": 2.5 * side})
    expect(player.locator(".zoom-name")).to_have_text(f"{CLASSES[2]} 10")
    at_rest(page, atlas)
    atlas.click(position={"x": 20, "y": 2.5 * side})  # the row's name
    expect(page.locator(".zoom")).to_be_hidden()


def test_play_runs_to_the_end_and_stops(page: Any, server: str):
    player = open_player(page, server, "run=ended&step=300")
    player.locator(".speed").select_option("48")
    player.locator(".play").click()
    drawn(page, 499)
    expect(page.locator(".player:not(.playing)")).to_be_visible()


def test_the_view_is_in_the_address(page: Any, server: str, store: RunStore):
    first, after = [step for step in steps_of(store, "ended") if step >= 100][:2]
    open_player(page, server, "run=ended&step=100&image=3")
    drawn(page, first)
    expect(page.locator(".zoom")).to_be_visible()
    page.keyboard.press("ArrowRight")
    drawn(page, after)
    for part in (f"step={after}", "image=3", "run=ended"):
        expect(page).to_have_url(re.compile(rf"{part}\b"))
    page.reload()
    drawn(page, after)
    expect(page.locator(".zoom-name")).to_have_text(CLASSES[3])


def test_zoom_shows_neighbours_levels_and_before_and_after(page: Any, server: str):
    player = open_player(page, server, "run=ended")
    click_first_tile(page, player)
    expect(page.locator(".zoom")).to_be_visible()
    expect(player.locator(".zoom-name")).to_have_text(CLASSES[0])
    expect(player.locator(".near > div")).to_have_count(5)
    expect(player.locator(".near > div span").first).to_contain_text(CLASSES[0])
    levels = player.locator(".levels")
    expect(levels).to_have_attribute("src", re.compile("/levels/500/0.png"))
    assert levels.evaluate("image => image.decode().then(() => image.naturalWidth)") == 4 * 162 - 2
    wipe = player.locator(".wipe")
    at_rest(page, wipe)
    before, box = pixels(wipe), wipe.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 20)
    until(page, lambda: pixels(wipe) != before, "the slider shows more of the first frame")
    page.keyboard.press("Escape")
    expect(page.locator(".zoom")).to_be_hidden()


def test_an_image_opens_below_its_own_row(page: Any, server: str):
    player = open_player(page, server, "run=ended")
    atlas, zoom = player.locator(".atlas"), player.locator(".zoom")
    at_rest(page, atlas)
    closed = atlas.bounding_box()
    row = closed["height"] / 2
    atlas.click(position={"x": closed["width"] - 40, "y": 40})
    expect(player.locator(".zoom-name")).to_have_text(CLASSES[4])
    at_rest(page, atlas)
    opened, box = atlas.bounding_box(), zoom.bounding_box()
    assert abs(box["y"] - opened["y"] - row) < 2 and opened["height"] >= closed["height"] + box["height"]
    assert opened["width"] == closed["width"] and box["width"] <= opened["width"]
    atlas.click(position={"x": 40, "y": opened["height"] - row / 2})  # the row below has moved down
    expect(player.locator(".zoom-name")).to_have_text(CLASSES[5])


def before_of(player: Any) -> int:
    return int(player.locator(".wipe").get_attribute("data-before"))


def test_before_is_the_first_frame_that_shows_something(page: Any, server: str, store: RunStore):
    steps = steps_of(store, "ended")
    player = open_player(page, server, "run=ended&image=1")
    expect(player.locator(".wipe[data-before]")).to_be_visible()

    def is_shown() -> bool:
        first = before_of(player)
        words = player.locator(".wipe-words").text_content()
        return max(steps[5], 50) < first < 350 and words == f"Step {first + 1} | step 500: drag to compare"

    # while frames are still being loaded, a later one stands in for the first; the pictures fade in over 500 steps
    until(page, is_shown, "noise is passed over, and nothing else")


def test_images_are_chosen_and_compared_with_the_keyboard(page: Any, server: str):
    player = open_player(page, server, "run=ended")
    atlas, wipe = player.locator(".atlas"), player.locator(".wipe")
    atlas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(player.locator(".zoom-name")).to_have_text(CLASSES[1])
    assert CLASSES[1] in atlas.get_attribute("aria-label")
    page.keyboard.press("ArrowDown")
    expect(player.locator(".zoom-name")).to_have_text(CLASSES[2])
    wipe.focus()
    before = pixels(wipe)
    page.keyboard.press("ArrowRight")
    until(page, lambda: pixels(wipe) != before, "the share moves")
    expect(player).to_have_attribute("data-step", "499")  # and the frame does not
    atlas.focus()
    page.keyboard.press("Enter")
    expect(player.locator(".zoom")).to_be_hidden()


def test_a_run_that_goes_on_is_followed(page: Any, server: str, store: RunStore):
    name = "<b onclick=alert(1)>live"
    run = fake_distill(store, "running", name="live", steps=60)
    facts = read_json(run.map_file)
    write_json(run.map_file, facts | {"classes": [name, *facts["classes"][1:]]})
    writer = take(run.lock_file)
    assert writer is not None
    with writer:  # however long this takes, the run has a writer
        player = open_player(page, server, "run=live")
        expect(player.locator(".live")).to_be_visible()
        frame, pictures = run.frame_list()[-1], picture(np.arange(10), 0.9, 48)
        save_atlas(pictures, run.frames / "000055.webp")
        write_lines(run.frame_index, [*run.frame_list(), frame | {"step": 55, "file": "000055.webp"}])
        drawn(page, 55)
        click_first_tile(page, player)
        expect(player.locator(".zoom-name")).to_have_text(name)  # as text
        page.keyboard.press("Home")
        drawn(page, 0)
        save_atlas(pictures, run.frames / "000058.webp")
        write_lines(run.frame_index, [*run.frame_list(), frame | {"step": 58, "file": "000058.webp"}])
        expect(player.locator(".scrub")).to_have_attribute("max", str(len(run.frame_list()) - 1))
        expect(player).to_have_attribute("data-step", "0")  # whoever looks back is left there


@pytest.mark.slow
def test_the_time_lapse_is_made_and_can_be_decoded(page: Any, server: str):
    open_player(page, server, "run=ended")
    page.get_by_text("Export the time-lapse").click()
    page.get_by_role("button", name="Make GIF").click()
    link = page.get_by_role("link", name="Download GIF")
    expect(link).to_be_visible()
    with urllib.request.urlopen(server + link.get_attribute("href")) as answer:
        film = Image.open(io.BytesIO(answer.read()))
    assert film.format == "GIF" and film.n_frames > 20
