"""Dashboards as processes, seen in a real browser: two on one folder, of which one is killed."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.jobs import local
from lgm_core.presets import change
from lgm_core.runs.store import RunFolder
from tests.browser import expect, free_port, opened, serve, steer, until, wait_until


@pytest.fixture
def run(small_run: RunConfig, here: Places) -> Iterator[RunFolder]:
    """One that goes on for as long as it is looked at."""
    long = replace(small_run, steps=100_000, evaluate_on=(), name="long")
    run = local.submit(change(long, {"record": {"frames": 2000}, "live": {"times": 0}}), here)
    yield run
    local.stop(run)
    wait_until(lambda: not run.has_writer(), "the worker has left")


def test_a_port_is_kept_for_the_server_that_is_about_to_start():
    with free_port() as port, socket.socket() as server, socket.socket() as late, socket.socket() as stranger:
        with pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        for one in (server, late):  # as Streamlit does
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        with pytest.raises(OSError, match="in use"):
            late.bind(("127.0.0.1", port))


def kill(address: str) -> None:
    """As the kernel does when memory runs out."""
    port = address.rpartition(":")[2]
    (server,) = (one for one in psutil.process_iter() if ["--server.port", port] == _after_run(one))
    server.kill()
    server.wait(60)


def _after_run(process: psutil.Process) -> list[str]:
    try:
        command = process.cmdline()
    except psutil.Error:
        return []
    return command[5:7] if command[2:5] == ["streamlit", "run", "app.py"] else []


@pytest.mark.slow
def test_two_dashboards_steer_one_run_and_it_outlives_the_one_that_is_killed(
    run: RunFolder, here: Places, browser: Any
):
    with serve(here.cache) as first, serve(here.cache) as second, opened(browser) as one, opened(browser) as other:
        for page, address in ((one, first), (other, second)):
            page.goto(f"{address}/watch?run=long")
            expect(page.locator(".player[data-drawn]")).to_be_visible()
        steer(other, "Pause")
        expect(one.get_by_role("button", name="Resume", exact=True)).to_be_visible()
        wait_until(lambda: run.status().state == "paused", "the worker has heard it")
        steer(one, "Resume")
        expect(other.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        kill(first)
        expect(one.locator(".away")).to_be_visible()
        before = run.status().step
        until(other, lambda: run.status().step > before + 10, "the run goes on")
        drawn = int(other.locator(".player").get_attribute("data-drawn"))
        until(other, lambda: int(other.locator(".player").get_attribute("data-drawn")) > drawn, "the other shows it")
        with serve(here.cache, int(first.rpartition(":")[2])):  # the tab finds the new server by itself
            expect(one.get_by_role("button", name="Pause", exact=True)).to_be_visible()
            before = int(one.locator(".player").get_attribute("data-drawn"))
            until(one, lambda: int(one.locator(".player").get_attribute("data-drawn")) > before, "it is shown again")
            expect(one.locator(".away")).to_be_hidden()
