"""The dashboard: `streamlit run app.py`. Pages, and the addresses of pictures and of the REST API; nothing else.

Streamlit runs this file as a script for every view (as `__main__`); its server imports it once, for `app`.
"""

import os
import threading
from importlib import import_module

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager

from lgm_core.base.machine import WATCHED
from lgm_core.base.places import places
from lgm_core.runs.example import put_example
from pages.parts.server.access import may_view, show_door, show_user
from pages.parts.server.endpoints import first_page
from pages.parts.server.guard import Guard
from pages.parts.server.routes import ROUTES
from pages.parts.theme import PRODUCT

PAGES = {
    "Distil": [("runs", "Runs", "grid_view"), ("launch", "Launch", "rocket_launch"), ("watch", "Watch", "play_circle")],
    "Look": [
        ("embeddings", "Embeddings", "scatter_plot"),
        ("neighbours", "Neighbours", "hub"),
        ("disagreement", "Disagreement", "difference"),
        ("backbones", "Backbones", "psychology"),
    ],
    "Judge": [("cross_model", "Cross-model", "apps"), ("compare", "Compare", "compare")],
    "Share": [("report", "Report", "description")],
}  # fmt: skip

_SIDEBAR = 262  # pixels; below 1000 of the window it folds to its icons (theme.css), below 768 Streamlit hides it

if __name__ == "__main__":
    st.set_page_config(
        page_title=PRODUCT, page_icon="pages/parts/mark.png", layout="wide", initial_sidebar_state=_SIDEBAR
    )
    grouped = {
        group: [
            st.Page(f"pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == "runs")
            for name, title, icon in pages
        ]
        for group, pages in PAGES.items()
    }
    st.logo("pages/parts/logo.svg", icon_image="pages/parts/mark.png", size="large")
    chosen = st.navigation(grouped, position="sidebar" if may_view() else "hidden")
    if may_view():
        show_user()
        chosen.run()
    else:
        show_door()
else:
    # A folder named `pages` wakes Streamlit's older way of finding pages until the first `st.navigation`; without this
    # line, a link into a server that has just started would run the page alone, without title, theme and menu.
    PagesManager.uses_pages_directory = False
    HOSTS = list(st.get_option("server.allowedHosts")) or ["*"]
    ORIGINS = list(st.get_option("server.corsAllowedOrigins"))
    os.environ.setdefault(WATCHED, "1")  # read by the workers that are started here
    put_example(places())
    # What takes long to load is loaded before the first visitor asks for it.
    threading.Thread(target=import_module, args=("pages.parts.server.ahead",), daemon=True).start()
    doors = [Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS), Middleware(Guard, allowed=ORIGINS)]
    app = st.App(__file__, routes=[Route("/runs", first_page), *ROUTES], middleware=doors)
