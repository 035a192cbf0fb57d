"""Loads what pages need and what takes long to load: the server imports this in a thread when it starts."""

import pandas
import plotly.graph_objects

from pages.parts.launch import estimate
from pages.parts.listing import run_list
from pages.parts.player import player
from pages.parts.transfer import opened

LOADED = (pandas, plotly.graph_objects.Figure, estimate, opened, player, run_list)
