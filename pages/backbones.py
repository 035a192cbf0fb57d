"""What does one backbone see? Cards of backbones beside each other, and their layers."""

from functools import partial

import streamlit as st

from pages.parts.looks.cards import show_cards
from pages.parts.looks.depth import show_depth
from pages.parts.looks.found import findings_or_ask
from pages.parts.maps.embedded import known_backbones, with_features
from pages.parts.pickers import listed_runs, pick_backbones, pick_dataset
from pages.parts.status import panel
from pages.parts.theme import empty, header
from pages.parts.ways import pick_way

VIEWS = {"cards": "Cards", "layers": "Layers"}
_MOST = 4  # cards that fit beside each other

header("Backbones", "What does each backbone see?")
datasets = list(dict.fromkeys(its.dataset for _, its in listed_runs())) or ["details"]
left, right = st.container(key="lgm_row_pick").columns([2, 3])
with left:
    dataset = pick_dataset(default=datasets[0])
with right:
    chosen = pick_backbones(default=known_backbones(dataset) or ["mobilenet_v3_small"])
backbones = with_features(chosen, "look at")[:_MOST]
if len(chosen) > _MOST:
    st.caption(f"The first {_MOST} are shown; take some out above to see the others.")
if not backbones:
    empty("Choose a backbone", "Each backbone you choose gets its own card.", icon="psychology")
    st.stop()
view = pick_way("View", VIEWS, key="view", hide_label=True)
show = {
    "cards": partial(findings_or_ask, "backbone", dataset, backbones, "cards", show_cards),
    "layers": partial(findings_or_ask, "layers", dataset, backbones, "sweeps over the layers", show_depth),
}
with panel(VIEWS[view]):
    show[view]()
