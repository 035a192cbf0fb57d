"""A dashboard in a process of its own, and a real browser to look at it: shared by the browser tests.

A loaded machine may take its time over anything, so that nothing here is timed: `expect` waits, and so does `until`.

>>> with serve(cache) as address, chromium() as browser, opened(browser) as page:
...     page.goto(f"{address}/watch?run=demo")
...     expect(page.locator(".player")).to_have_attribute("data-drawn", "499")
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# For a page's start: WebGL by the processor passes for a graphics card; its contexts are listed in `window.cards`.
AS_IF_A_CARD = """const { getContext } = HTMLCanvasElement.prototype;
const { getExtension } = WebGLRenderingContext.prototype;
window.cards = [];
HTMLCanvasElement.prototype.getContext = function (kind, wanted) {
    const found = getContext.call(this, kind, { ...wanted, failIfMajorPerformanceCaveat: false });
    if (kind === "webgl") window.cards.push(found);
    return found;
};
WebGLRenderingContext.prototype.getExtension = function (name) {
    return name === "WEBGL_debug_renderer_info" ? null : getExtension.call(this, name);
};"""
PATIENCE = 120.0  # seconds that a loaded machine may take for one thing


def sync_api() -> Any:
    """Playwright, with patience; skips the test where it, or the browser, is not installed."""
    found = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: no browser tests")
    found.expect.set_options(timeout=1000 * PATIENCE)
    return found


def expect(what: Any) -> Any:
    """Playwright's assertions, which wait."""
    return sync_api().expect(what)


@contextmanager
def chromium() -> Iterator[Any]:
    with sync_api().sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=1000 * PATIENCE)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, width: int = 1440, height: int = 1100) -> Iterator[Any]:
    """A tab; at its end, no script may have failed in it, and nothing may have been asked of another machine."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page, wrong = context.new_page(), []
    page.set_default_timeout(1000 * PATIENCE)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.extend(foreign(request.url)))
    yield page
    context.close()
    assert not wrong, wrong


def foreign(url: str) -> list[str]:
    """Addresses on other machines: the dashboard works without any."""
    return [url] if url.startswith(("http:", "https:", "ws:")) and "//127.0.0.1:" not in url else []


@contextmanager
def free_port() -> Iterator[int]:
    """A port that nobody else is given meanwhile: bound, and not listened at, so that a server may bind it as well."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def serve(cache: Path, port: int = 0, **environment: str) -> Iterator[str]:
    """The dashboard over a cache folder; yields its address. `port`: 0 for a free one."""
    if not port:
        with free_port() as port, serve(cache, port, **environment) as address:
            yield address
        return
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.fileWatcherType", "none"]
    values = os.environ | {"LGM_CACHE": str(cache)} | environment
    with (cache / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=values, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: server.poll() is not None or _answers(address), "the dashboard answers")
        assert server.poll() is None, (cache / "server.log").read_text()[-2000:]
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE)


def wait_until(condition: Callable[[], Any], words: str = "it is so") -> None:
    """Look again and again, outside of a browser."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {words}"
        time.sleep(0.1)


def until(page: Any, condition: Callable[[], Any], words: str = "it is so") -> None:
    """Look again and again, while the page lives on: for what `expect` cannot see, such as a canvas."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {words}"
        page.wait_for_timeout(50)


def at_rest(page: Any, place: Any) -> None:
    """Until the page's script has ended and an element no longer moves: what is clicked then is what was meant."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached()
    place.scroll_into_view_if_needed()
    place.evaluate(
        """async (one) => {
            for (let before = "", same = 0; same < 5; ) {
                const now = JSON.stringify(one.getBoundingClientRect());
                same = now === before ? same + 1 : 0;
                before = now;
                await new Promise((done) => setTimeout(done, 50));
            }
        }"""
    )


def steer(page: Any, button: str) -> None:
    """Press Pause, Resume or Stop: when the panel has been drawn, as a person would, and not while it is replaced."""
    found = page.get_by_role("button", name=button, exact=True)
    expect(found).to_be_visible()
    at_rest(page, found)
    found.click()


def pixels(canvas: Any) -> str:
    """What a canvas shows."""
    return canvas.evaluate("(one) => one.toDataURL()")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
            return True
    except OSError:
        return False
