"""Pictures of every page of a running dashboard, for README and docs.

    streamlit run app.py &  python docs/experiments/screenshots.py http://localhost:8501 docs/pictures [RUN]
    ... docs/pictures RUN watch_rcig    # only that page; for "sides", RUN is a study of pairs

Needs Debian's chromium and the development requirements.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PAGES = {
    "runs": "", "launch": "launch", "watch": "watch?run={run}", "embeddings": "embeddings",
    "disagreement": "disagreement",
    "neighbours": "neighbours?run={run}", "cross_model": "cross_model", "compare": "compare",
    "report": "report?run={run}", "watch_rcig": "watch?run={run}",
    "backbones": "backbones", "backbones_layers": "backbones?view=layers&run={run}",
    "backbones_patches": "backbones?view=patches&run={run}", "backbones_style": "backbones?view=style&run={run}",
    "disagreement_map": "disagreement?look=map", "disagreement_groups": "disagreement?look=groups",
    "disagreement_chance": "disagreement?look=chance", "disagreement_measures": "disagreement?look=measures",
    "sides": "cross_model?study={run}",
}  # fmt: skip
ONLY_IF_ASKED = ("watch_rcig", "sides")
TALL = {"watch_rcig": 1480, "backbones_patches": 1480, "disagreement_map": 1280, "sides": 2740}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    base, folder, run = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    asked = sys.argv[4:] or [name for name in PAGES if name not in ONLY_IF_ASKED]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for name in asked:
            page = browser.new_page(viewport={"width": 1500, "height": TALL.get(name, 1050)})
            page.goto(f"{base}/{PAGES[name].format(run=run)}")
            page.wait_for_selector("h1", timeout=60_000)
            page.wait_for_timeout(6000)
            page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=120_000)
            if "watch" in name:
                page.wait_for_selector(".player[data-drawn]", timeout=60_000)
            Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(folder / f"page_{name}.webp", quality=80)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
