"""What the program logs while it works on a run, in a file of the run.

>>> with logged_into(run.log_file):
...     logging.getLogger("lgm").info("step 3")
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def logged_into(file: Path) -> Iterator[None]:
    """Append it to the file, a line each with its time. Raises `OSError` where the file cannot be opened."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.handleError = lambda record: None  # a full disk is told by what results depend on, and not by the log
    logging.getLogger("lgm").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("lgm").removeHandler(handler)
        with suppress(OSError):
            handler.close()
