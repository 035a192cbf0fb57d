"""SIGTERM and Ctrl-C as a request to checkpoint and then end.

>>> with soft_signals() as (stop, code):
...     engine.work(run, places(), stop=stop)
...     sys.exit(code[0])  # 143 after a SIGTERM, 0 without one
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def soft_signals() -> Iterator[tuple[threading.Event, list[int]]]:
    """The event that a signal sets, and the exit code it asks for; a second Ctrl-C interrupts at once."""
    stop, code = threading.Event(), [0]

    def ask(number: int, frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        code[0] = 128 + number
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
