"""A dashboard behind a login: who may look, who may launch, and that nothing is let in by a broken file."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import streamlit as st
from streamlit.runtime.secrets import secrets_singleton

from lgm_core.base.errors import UserError
from lgm_core.runs.store import RunStore
from pages.parts import status
from pages.parts.server import access
from pages.parts.server.background import start
from tests.app import open_page
from tests.browser import expect, free_port, serve
from tests.fake_runs import fake_distill
from tests.identity_provider import Provider, identity_provider

AUTH = '[auth]\nredirect_uri = "x"\n'
ADA = {"is_logged_in": True, "sub": "17", "email": "Ada@Lab.example", "email_verified": True}
Secrets = Callable[[str], None]


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Secrets]:
    """Writes the secrets that this process then has."""
    before, file = st.get_option("secrets.files"), tmp_path / "secrets.toml"

    def write(text: str) -> None:
        file.write_text(text)
        st.config.set_option("secrets.files", [str(file)])
        secrets_singleton._reset()

    yield write
    st.config.set_option("secrets.files", before)
    secrets_singleton._reset()


def _may(user: dict[str, Any], what: str) -> bool:
    return access._is_named(user, access._rule(what))


def test_without_a_login_everybody_may_all():
    assert not access.is_on() and access.may_view() and access.may_launch()
    access.require_launch()


@pytest.mark.parametrize(
    ("named", "users"),
    [
        ('["ada@lab.example"]', [True, False, False]),
        ('["@lab.example"]', [True, False, False]),
        ('["17", "18"]', [True, True, False]),
        ('["*"]', [True, True, False]),
        ('["@example", "lab.example", "@evil.example", ""]', [False, False, False]),
        ("[]", [False, False, False]),
        ('"*"', [False, False, False]),  # a text is no list of names
    ],
)
def test_who_is_named_may(secrets: Secrets, named: str, users: list[bool]):
    """Ada; somebody with her address who did not prove it; nobody."""
    secrets(f"{AUTH}[access]\nlaunch = {named}\n")
    unproved = ADA | {"sub": "18", "email_verified": False}
    assert [_may(user, "launch") for user in (ADA, unproved, ADA | {"is_logged_in": False})] == users


def test_who_is_logged_in_may_look_and_nobody_launch_unless_it_is_said_otherwise(secrets: Secrets):
    secrets(AUTH)
    assert access.is_on() and _may(ADA, "view") and not _may(ADA, "launch") and not _may({}, "view")
    secrets(f'{AUTH}[access]\nview = ["@lab.example"]\n')
    assert _may(ADA, "view") and not _may(ADA | {"email": "eve@evil.example"}, "view")


@pytest.mark.parametrize(
    "text", ["[auth\n", '[access]\nlaunch = ["*"]\n', "access = 3\n", f"{AUTH}[access]\nview = 3\n"]
)
def test_a_file_that_is_wrong_lets_nobody_in(secrets: Secrets, text: str):
    secrets(text)
    assert access.is_on() and not _may({}, "view") and not _may({}, "launch")


def test_who_may_only_look_starts_nothing(secrets: Secrets, tmp_path: Path, here, monkeypatch: pytest.MonkeyPatch):
    secrets(f'{AUTH}[access]\nview = "open"\n')
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    fake_distill(RunStore(tmp_path / "runs"), "paused", name="one")
    monkeypatch.setattr(access, "_user", dict)
    with pytest.raises(UserError, match="may view this dashboard, but not launch"):
        start(here, "work", ["fetch", "digits"])
    for page in ("watch", "launch", "runs", "report"):
        test = open_page(page, run="one")
        open_buttons = {button.label for button in test.button if not button.disabled}
        assert open_buttons <= {"Log in", "Settings"}, (page, open_buttons)
    monkeypatch.setattr(status, "may_launch", lambda: True)  # were the button not shut
    test = open_page("watch", run="one")
    next(button for button in test.button if button.label == "Resume").click().run()
    assert any("may view this dashboard, but not launch" in error.value.replace("\\", "") for error in test.error)
    assert RunStore(tmp_path / "runs").open("one").status().state == "paused"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as found:
        yield found


@pytest.fixture
def port() -> Iterator[int]:
    with free_port() as found:
        yield found


def _asked(address: str) -> int:
    try:
        with urllib.request.urlopen(f"{address}/api/runs") as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.slow
def test_a_login_with_a_real_provider(page, provider: Provider, port: int, tmp_path: Path):
    """Nobody sees anything before it; who is named launches; who is not looks; who may not look is told so."""
    fake_distill(RunStore(tmp_path / "runs"), "paused", name="one")
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{"s" * 40}"\n'
        f'client_id = "dashboard"\nclient_secret = "{"c" * 40}"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
        '[access]\nview = ["@lab.example"]\nlaunch = ["ada@lab.example"]\n'
    )
    with serve(tmp_path, port=port, STREAMLIT_SECRETS_FILES=str(secrets)) as address:
        assert _asked(address) == 401
        for user, words, launches in (
            ({"sub": "1", "email": "ada@lab.example", "email_verified": True}, "ada@lab.example: may launch", True),
            ({"sub": "2", "email": "bob@lab.example", "email_verified": True}, "bob@lab.example: may view", False),
            (
                {"sub": "3", "email": "eve@evil.example", "email_verified": True},
                "is not allowed to view this dashboard",
                None,
            ),
        ):
            provider.user = user
            page.goto(f"{address}/watch?run=one")
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_text(words)).to_be_visible()
            answer = page.request.get(f"{address}/api/runs")
            assert answer.status == (401 if launches is None else 200)
            if launches is not None:
                assert json.loads(answer.text())["runs"][0]["id"] == "one"
                page.goto(f"{address}/watch?run=one")
                resume = page.get_by_role("button", name="Resume")
                (expect(resume).to_be_enabled if launches else expect(resume).to_be_disabled)()
            page.get_by_role("button", name="Log out").click()
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
            assert page.request.get(f"{address}/api/runs").status == 401
