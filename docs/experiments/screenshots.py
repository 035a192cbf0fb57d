"""Pictures of every page of a running dashboard, for README and docs.

    streamlit run app.py &  python docs/experiments/screenshots.py http://localhost:8501 docs/pictures [RUN]

Needs Debian's chromium and the development requirements.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PAGES = {
    "runs": "", "launch": "launch", "watch": "watch?run={run}", "embeddings": "embeddings",
    "neighbours": "neighbours?run={run}", "cross_model": "cross_model", "compare": "compare",
    "report": "report?run={run}",
}  # fmt: skip
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    base, folder, run = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1500, "height": 1050})
        for name, path in PAGES.items():
            page.goto(f"{base}/{path.format(run=run)}")
            page.wait_for_selector("h1", timeout=60_000)
            page.wait_for_timeout(6000)
            Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(folder / f"page_{name}.webp", quality=80)
        browser.close()


if __name__ == "__main__":
    main()
