"""Loads what pages need and what takes long to load: the server imports this in a thread when it starts."""

import pandas
import plotly.graph_objects

from pages.parts import estimate, opened, player, run_list

LOADED = (pandas, plotly.graph_objects.Figure, estimate, opened, player, run_list)
