"""Loads what pages need and what takes long to load: the server imports this in a thread when it starts.

Streamlit collects all garbage after each run of a script, which goes through every object that is loaded. What is here
stays for ever, so the collector is told to pass it over (docs/experiments/idle.py measures what a page costs at rest).
"""

import gc

import pandas
import plotly.graph_objects

from pages.parts import needed
from pages.parts.launch import choices, estimate, form, link, plan, ready
from pages.parts.listing import run_list
from pages.parts.maps import embedded, gallery, neighbourhood
from pages.parts.player import player
from pages.parts.transfer import alignment, opened
from pages.parts.watch import details, export, fork

LOADED = (
    pandas, plotly.graph_objects.Figure, alignment, choices, details, embedded, estimate, export, fork, form, gallery,
    link, needed, neighbourhood, opened, plan, player, ready, run_list,
)  # fmt: skip
gc.collect()
gc.freeze()
