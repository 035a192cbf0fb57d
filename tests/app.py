"""A page of the dashboard without a browser, shared by the tests of the pages."""

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent


def open_page(name: str, **query: Any) -> AppTest:
    """The page of that name, with values in its address, run once."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    for key, value in query.items():
        test.query_params[key] = value
    return test.switch_page(f"pages/{name}.py").run()
