"""The way from page to page in a real browser: Back, the tab's title, the sidebar of a narrow window, the host."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from lgm_core.base.files import write_json
from lgm_core.runs.store import RunStore
from tests.browser import at_rest, expect, serve
from tests.fake_runs import fake_distill

END = {"state": "finished"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    fake_distill(store, name="ended")
    for name, phase in (("short", "distilling"), ("long", f"fetching {'a-network-of-a-very-long-name-' * 9}")):
        run = fake_distill(store, "running", name=name)
        write_json(run.status_file, asdict(run.status()) | {"phase": phase})
    with serve(store.root.parent) as address:
        yield address


def test_back_goes_back_with_one_press(page: Any, server: str):
    page.goto(f"{server}/launch?dataset=digits")
    expect(page).to_have_url(re.compile("backbones="))  # choices that the page has put into the address
    for name, told in (("Watch", "run="), ("Neighbours", "backbones=")):
        page.get_by_role("link", name=name).click()
        expect(page).to_have_url(re.compile(f"/{name.lower()}.*{told}"))
        at_rest(page, page.locator("h1"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"/watch\?run=\w+$"))
    expect(page.locator(".player")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile("/launch.*dataset=digits"))
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_the_tab_names_the_run(page: Any, server: str):
    page.goto(f"{server}/watch?run=ended")
    expect(page).to_have_title("ended · Watch · LGM Studio")
    page.get_by_role("link", name="Runs").click()
    expect(page).to_have_title("Runs · LGM Studio")


def test_nothing_moves_when_the_name_of_a_phase_is_long(page: Any, server: str):
    places = []
    for name in ("short", "long"):
        page.goto(f"{server}/watch?run={name}")
        panel = page.locator(".st-key-lgm_status")
        expect(panel.locator(".st-key-lgm_phase")).to_contain_text("istilling" if name == "short" else "very-long-name")
        at_rest(page, panel)
        parts = (panel, panel.get_by_text("Memory"), page.locator(".player"))
        places.append([{key: part.bounding_box()[key] for key in ("x", "y")} for part in parts])
    assert places[0] == places[1]


def test_the_player_tells_the_server_that_a_run_has_ended(page: Any, server: str):
    """It asks each second; the server's own look at the run, which costs more, comes later."""
    page.route("**/api/runs/short/new?*", lambda route: route.fulfill(json=END))
    with page.expect_websocket() as opened:
        page.goto(f"{server}/watch?run=short")
    opened.value.wait_for_event("framesent", lambda sent: b'"finished"' in sent)


def test_the_sidebar_folds_in_a_narrow_window(page: Any, server: str):
    page.goto(f"{server}/report")
    sidebar, content = page.locator('[data-testid="stSidebar"]'), page.locator('[data-testid="stSidebarContent"]')
    expect(page.locator("h1")).to_have_text("Report")
    wide = sidebar.bounding_box()["width"]
    page.set_viewport_size({"width": 800, "height": 900})
    at_rest(page, content)
    assert sidebar.bounding_box()["width"] < 70 < wide
    page.get_by_role("link", name="Watch").focus()
    at_rest(page, content)
    assert content.bounding_box()["width"] > 200  # with its words, over the page
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Watch")


def test_a_foreign_host_is_refused(server: str):
    request = urllib.request.Request(f"{server}/api/runs", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)
    caught.value.close()
