"""What pages of other origins, and texts that were never meant to be script, can do to the dashboard: nothing."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lgm_core.reports import page as report_page
from lgm_core.reports.markup import page as html_page
from lgm_core.reports.site import write_site
from lgm_core.runs.store import RunStore
from pages.parts.server.guard import Guard
from pages.parts.server.routes import ROUTES
from tests.browser import expect, serve
from tests.fake_runs import fake_distill

ATTACK = '<img src=x onerror="document.title=\'stolen\'"><script>document.title="stolen"</script>'


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = RunStore(tmp_path_factory.mktemp("cache") / "runs")
    write_site([fake_distill(store, name="one", steps=20)], store.root.parent / "site")
    return store


@pytest.fixture(scope="module")
def address(store: RunStore) -> Iterator[str]:
    with serve(store.root.parent) as found:
        yield found


def _opens(address: str, origin: str | None) -> bool:
    try:
        with connect(f"ws://{urlsplit(address).netloc}/_stcore/stream", origin=origin, open_timeout=60):  # type: ignore[arg-type]
            return True
    except InvalidStatus as refused:
        assert refused.response.status_code == 403
        return False


def test_only_the_dashboards_own_pages_open_its_websocket(address: str):
    port = urlsplit(address).port
    assert _opens(address, address) and _opens(address, None)
    others = (
        f"http://127.0.0.1:{port - 1}",
        f"http://localhost:{port}",
        "http://localhost:8888",
        "https://evil.example",
    )
    assert not any(_opens(address, other) for other in (*others, "null", f"http://127.0.0.1:{port}.evil.example"))


@pytest.mark.parametrize("allowed", ["", "https://gate.example"])
def test_a_gate_in_front_can_be_named(store: RunStore, allowed: str):
    with serve(store.root.parent, **({"STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": allowed} if allowed else {})) as address:
        assert _opens(address, "https://gate.example") is bool(allowed)


def test_other_origins_change_nothing_and_frame_nothing(address: str):
    for path in ("/", "/api/runs", "/_stcore/health", "/app/static/runs/one/frames/000000.webp"):
        with urllib.request.urlopen(f"{address}{path}") as answer:
            assert answer.headers["content-security-policy"] == "frame-ancestors 'self'", path
            assert "access-control-allow-origin" not in answer.headers
    asked = urllib.request.Request(
        f"{address}/_stcore/upload_file/x/y", method="PUT", headers={"Origin": "http://localhost:9"}
    )
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(asked)


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil", "", "//"])
def test_an_origin_that_is_another_or_no_address_is_refused(origin: str):
    client = TestClient(Guard(Starlette(routes=ROUTES)), raise_server_exceptions=False)
    assert client.post("/api/runs", headers={"origin": origin}).status_code == 403


def test_reports_are_served_apart(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LGM_CACHE", str(store.root.parent))
    (store.root.parent / "reports").mkdir(exist_ok=True)
    (store.root.parent / "reports" / "a.html").write_text(ATTACK)
    with TestClient(Starlette(routes=ROUTES)) as client:
        answer = client.get("/app/static/reports/a.html")
        assert answer.headers["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
        assert client.get("/app/static/reports/..%2findex%2fruns.json").status_code == 404


def test_a_script_in_a_report_runs_neither_there_nor_in_the_dashboard(
    page, address: str, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Even where a text from disk were not escaped; the report's own player goes on."""
    monkeypatch.setattr(report_page, "_classes", lambda run: f'<p id="here">{ATTACK}</p>')
    html = report_page.run_report(store.open("one"))
    assert ATTACK in html
    alone = tmp_path / "report.html"
    alone.write_text(html)
    page.goto(alone.as_uri())
    expect(page.locator("#here")).to_be_attached()
    page.locator(".player").press("Home")
    expect(page.locator(".player output")).to_have_text("step 1")
    assert page.title() == "one: report"
    page.goto(f"{address}/report?run=one")
    frame = page.frame_locator("iframe")
    frame.locator(".player").press("Home")
    expect(frame.locator(".player output")).to_have_text("step 1")
    inner = next(found for found in page.frames if "/app/static/reports/" in found.url)
    assert inner.evaluate("() => { try { return parent.document.title } catch (error) { return error.name } }") == (
        "SecurityError"
    )


def test_the_gallery_shows_its_covers_served_and_from_disk(page, address: str, store: RunStore):
    for index in (f"{address}/app/static/site/index.html", (store.root.parent / "site" / "index.html").as_uri()):
        page.goto(index)
        page.wait_for_function("() => document.images.length && [...document.images].every((one) => one.naturalWidth)")


def test_a_page_allows_nothing_but_its_own():
    html = html_page("a", ATTACK)
    policy = html.partition('content="default-src')[2].partition('"')[0]
    assert policy.startswith(" 'none'") and policy.count("sha256-") == 2 and "base-uri 'none'" in policy
