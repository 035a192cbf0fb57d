"""What does one backbone see? Cards beside each other, layers, and what backbones see in a set's images."""

from functools import partial

import streamlit as st

from pages.parts import needed
from pages.parts.looks.cards import show_cards
from pages.parts.looks.depth import show_depth
from pages.parts.looks.found import findings_or_ask, set_config
from pages.parts.looks.look_of_set import show_style
from pages.parts.looks.places import set_run, show_places
from pages.parts.maps.embedded import known_backbones, with_features
from pages.parts.pickers import facts, listed_runs, pick_backbones, pick_dataset, pick_run
from pages.parts.status import panel
from pages.parts.theme import empty, header
from pages.parts.ways import pick_way

VIEWS = {"cards": "Cards", "layers": "Layers", "patches": "Patches", "style": "Style of a set"}
_MOST = 4  # cards that fit beside each other


def of_set(kind: str, dataset: str, backbones: list[str]) -> None:
    """What an instrument found in the images of one run, in these backbones."""
    source = pick_run(
        kinds=("distill", "baseline"), key="run", label="Images of",
        where=lambda run: facts(run).dataset == dataset and run.has_images(),
    )  # fmt: skip
    if source is None:
        empty("No synthetic images yet", "Distil this data set first; this view shows what backbones see in the set.",
              page="pages/launch.py", label="Launch a run", icon="image_search")  # fmt: skip
        return
    run = set_run(kind, source, backbones)
    if run is None:
        st.info("These images have not been analysed with these backbones yet.", icon=":material/psychology:")
        needed.launch("Compute", [set_config(kind, source, backbones)], key=kind)
        return
    seen = needed.look(run)
    needed.wait_for([] if seen.finished else [seen], key=kind)
    if run.findings() and kind == "patches":
        show_places(run, backbones)
    elif run.findings():
        show_style(run, source)


header("Backbones", "What does each backbone see?")
datasets = list(dict.fromkeys(its.dataset for _, its in listed_runs())) or ["details"]
left, right = st.container(key="lgm_row_pick").columns([2, 3])
with left:
    dataset = pick_dataset(default=datasets[0])
with right:
    asked = st.query_params.get("view", "cards")
    looked_at = "backbone" if asked == "cards" else asked
    chosen = pick_backbones(default=known_backbones(dataset, looked_at) or ["mobilenet_v3_small"])
backbones = with_features(chosen, "look at")[:_MOST]
if len(chosen) > _MOST:
    st.caption(f"Only the first {_MOST} are shown; remove some of them above to see the others.")
if not backbones:
    empty("Choose a backbone", "Each backbone you choose gets its own card.", icon="psychology")
    st.stop()
view = pick_way("View", VIEWS, key="view", hide_label=True)
show = {
    "cards": partial(findings_or_ask, "backbone", dataset, backbones, "cards", show_cards),
    "patches": partial(of_set, "patches", dataset, backbones),
    "style": partial(of_set, "style", dataset, backbones),
    "layers": partial(findings_or_ask, "layers", dataset, backbones, "layer sweeps", show_depth),
}
with panel(VIEWS[view]):
    show[view]()
