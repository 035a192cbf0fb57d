"""Who may look, and who may launch, where the dashboard stands behind a login (docs/login.md). Off without `[auth]`.

>>> require_launch()  # raises UserError for who may only look
>>> may_read(request)  # for the addresses of pictures and of the REST API
True
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from streamlit.auth_util import get_secrets_auth_section
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette import starlette_auth_routes
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from lgm_core.base.errors import UserError
from pages.parts.theme import plain

EVERYBODY = "*"  # whoever is logged in
OPEN = "open"  # to look without a login


def is_on() -> bool:
    """Is a login set up: is there a group `[auth]` or `[access]` in the secrets?

    Secrets that are there and cannot be read count as one, so that nobody is let in by a slip of the pen.
    """
    return bool(get_secrets_auth_section()) or "access" in _secrets() or _are_broken()


def may_view() -> bool:
    """May the user of this page look?"""
    return not is_on() or _rule("view") == OPEN or _is_named(_user(), _rule("view"))


def may_launch() -> bool:
    """May the user of this page start, steer, fetch and delete?"""
    return not is_on() or _is_named(_user(), _rule("launch"))


def require_launch() -> None:
    """Raise `UserError` unless the user of this page may launch. Buttons are shut too; this is what counts."""
    if not may_launch():
        raise UserError("you may view this dashboard, but not launch; those named under `launch` in its [access] may")


def may_read(request: Request) -> bool:
    """May whoever asks for this address look? Told by the cookie that Streamlit signs at the login."""
    if not is_on() or _rule("view") == OPEN:
        return True
    value = starlette_auth_routes._get_cookie_value_from_request(request, USER_COOKIE_NAME)
    try:
        user = json.loads(value or b"{}")
    except ValueError:
        return False
    return isinstance(user, dict) and _is_named(user, _rule("view"))


def show_door() -> None:
    """Instead of a page, for who may not look: a button to log in, or who it is that may not."""
    user = _user()
    if user:
        st.error(f"{_name(user)} is not allowed to view this dashboard.", icon=":material/lock:")
    else:
        st.title("Linear Gradient Matching", anchor=False)
        st.markdown("Log in to view this dashboard.")
    _buttons(user)


def show_user() -> None:
    """Who is logged in, at the foot of the side bar; nothing where no login is set up."""
    if is_on():
        with st.sidebar:
            user = _user()
            what = "may launch" if may_launch() else "may view"
            st.caption(f"{_name(user)}: {what}" if user else "not logged in: may view")
            _buttons(user)


def _buttons(user: Mapping[str, Any]) -> None:
    if user:
        st.button("Log out", icon=":material/logout:", on_click=st.logout)
    else:
        st.button("Log in", icon=":material/login:", type="primary", on_click=st.login)


def _user() -> Mapping[str, Any]:
    """What the provider says of the user of this page; {} without a login."""
    return st.user.to_dict() if st.user.get("is_logged_in") else {}


def _name(user: Mapping[str, Any]) -> str:
    return plain(user.get("email") or user.get("sub") or "somebody")


def _secrets() -> Mapping[str, Any]:
    return secrets_singleton if secrets_singleton.load_if_toml_exists() else {}


def _are_broken() -> bool:
    there = any(Path(file).exists() for file in st.get_option("secrets.files"))
    return there and not secrets_singleton.load_if_toml_exists()


def _rule(what: str) -> Sequence[str] | str:
    """`view` (default: whoever is logged in) or `launch` (default: nobody) of the group `[access]`."""
    found = _secrets().get("access", {"view": []} if _are_broken() else {})
    named = found.get(what, {"view": [EVERYBODY], "launch": []}[what]) if isinstance(found, Mapping) else []
    if what == "view" and named == OPEN:
        return OPEN
    return [str(name).lower() for name in named] if isinstance(named, list | tuple) else []


def _is_named(user: Mapping[str, Any], named: Sequence[str] | str) -> bool:
    """By the provider's own number (`sub`), by a verified address, by "@" and its domain, or as everybody."""
    if not user.get("is_logged_in") or isinstance(named, str):
        return False
    email = str(user.get("email", "")).lower() if user.get("email_verified") is True else ""
    names = {str(user.get("sub", "")).lower(), email, email[email.rfind("@") :] if "@" in email else ""} - {""}
    return EVERYBODY in named or bool(names & set(named))
