"""A page of the dashboard without a browser, shared by the tests of the pages."""

from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent
# Each page asks every installed package for its components, which takes longer than the page: once is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def open_page(name: str, **query: Any) -> AppTest:
    """The page of that name, with values in its address, run once."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    for key, value in query.items():
        test.query_params[key] = value
    return test.switch_page(f"pages/{name}.py").run()
