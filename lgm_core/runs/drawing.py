"""The atlases of a run, encoded one after the other beside its steps; one that cannot be written is not forgotten.

>>> drawing = Drawing(run.frame_index)
>>> drawing.add(pictures, 500)  # returns at once; raises what the one before met
>>> drawing.wait()  # all are on the disk, and listed
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lgm_core.runs.frames import add_frame


class Drawing:
    """Draws on a thread of its own, at most one atlas at a time. `index`: the file that lists the frames."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None

    def add(self, pictures: UInt8[np.ndarray, "n r r 3"], step: int) -> None:
        """Draw N pictures as the frame of a step, meanwhile. Raises `OSError` where an earlier one was not written."""
        self.wait()
        self._pending = self._thread.submit(add_frame, pictures, step, self._index)

    def wait(self) -> None:
        """Return when all is drawn. Raises `OSError` where one was not written."""
        if self._pending is not None:
            self._pending.result()

    def close(self) -> None:
        """Let what is being drawn end; raises nothing."""
        self._thread.shutdown(wait=True)
