"""Two pictures under one slider: left of the handle the one, right of it the other.

>>> before_after(first_url, "step 0", last_url, "step 499", key="ab")  # URLs that `images.frame_url` gives
"""

from pathlib import Path

from streamlit.components.v2 import component

_HERE = Path(__file__).parent
_component = component(
    "lgm_before_after",
    html="""<div class="lgm-both"><div class="names"><span class="left"></span><span class="right"></span></div>
    <div class="frame"><img><img></div>
    <input type="range" min="0" max="100" value="50" aria-label="share of the left"></div>
    """,
    css=(_HERE / "before_after.css").read_text(),
    js=(_HERE / "before_after.js").read_text(),
)


def before_after(left: str, left_name: str, right: str, right_name: str, *, key: str) -> None:
    """Draw two pictures, given by URL, with their names."""
    data = {"left": {"url": left, "name": left_name}, "right": {"url": right, "name": right_name}}
    _component(key=key, data=data)
