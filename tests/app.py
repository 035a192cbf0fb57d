"""A page of the dashboard without a browser, shared by the tests of the pages.

>>> command(open_whole("launch", preset="preview"))
'python -m lgm_core distill scenes ...'
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
ROOT = Path(__file__).parent.parent
# Each page asks every installed package for its components, which takes longer than the page: once is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def open_page(name: str, **query: Any) -> AppTest:
    """The page of that name, with values in its address, run once."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    for key, value in query.items():
        test.query_params[key] = value
    return test.switch_page(f"pages/{name}.py").run()


def open_whole(name: str, **query: Any) -> AppTest:
    """The same, which may not fail."""
    test = open_page(name, **query)
    assert not test.exception, test.exception
    return test


def command(test: AppTest) -> str:
    """The command line that Launch shows, in one line."""
    return test.code[-1].value.replace(" \\\n  ", " ")


def given(test: AppTest, key: str) -> list[str]:
    """What the address says of a key."""
    found = test.query_params.get(key, [])
    return [found] if isinstance(found, str) else list(found)


def box(test: AppTest, label: str) -> Any:
    """The number or the choice of several with this label."""
    return next(box for box in (*test.number_input, *test.multiselect) if box.label == label)


def button(test: AppTest, label: str) -> Any:
    return next(button for button in test.button if button.label == label)
