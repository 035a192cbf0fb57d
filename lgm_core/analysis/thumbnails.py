"""Small pictures of the real images of a split, on pages that all runs share: made once, in the background.

>>> thumbnails = Thumbnails(bench.train, "imagenette", "train", places().thumbs)
>>> thumbnails.key
'imagenette-train-3f9a01c2b4d5'
>>> thumbnails.begin()  # a quiet thread draws what is missing
>>> thumbnails.is_drawing()  # no more, once index.json is there, which is written last
False
"""

import logging
import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from lgm_core.base.download import file_sha256
from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.files import read_json, replacing, write_json
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.names import thumbs_key
from lgm_core.datasets.image_set import load_squares
from lgm_core.datasets.spread import spread
from lgm_core.runs.recorder import Recorder

SIDE, COLUMNS, PER_PAGE = 64, 32, 1024  # pixels of a thumbnail, thumbnails in a row, on a page
MOST = 50_000  # images drawn at most; the others of a larger split stay grey
_NICE = 10
_LONG_LIST = 200_000  # images; above this the index leaves out where they come from


class Thumbnails:
    """The pages of one split: image i is on page i // 1024, row by row."""

    def __init__(self, images: ImageSet, dataset: str, split: str, folder: Path) -> None:
        self.key = thumbs_key(dataset, split, images.fingerprint)
        self._images, self._dataset, self._split = images, dataset, split
        self._folder = folder / self.key
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def index_file(self) -> Path:
        return self._folder / "index.json"

    def begin(self) -> None:
        """Draw missing pages in a thread, also after one that failed; nothing if all are there, or are being drawn."""
        if not self.is_drawing() and not self._is_whole():
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()

    def is_drawing(self, wait: float = 0.0) -> bool:
        """Still, after so many seconds, or sooner where it ends?"""
        if self._thread is not None and wait:
            self._thread.join(wait)
        return self._thread is not None and self._thread.is_alive()

    def give_up(self) -> None:
        """Stop after the present page; a later run goes on with the next."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _is_whole(self) -> bool:
        """Are all pages there as they were drawn? One that is damaged or of other images is removed: draw it again."""
        index, damaged = result_or_why(lambda: read_json(self.index_file))[0] or {}, False
        others = self._images.differs_from(str(index.get("content", "")))
        for name, digest in zip(index.get("pages", []), index.get("sha256", []), strict=False):
            page = self._folder / name
            if others or not page.exists() or file_sha256(page) != digest:
                damaged = True
                page.unlink(missing_ok=True)
        return "sha256" in index and not damaged

    def _draw(self) -> None:
        if sys.platform == "linux":  # only here has a thread its own priority; lower it below the run's work
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _NICE))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "lock", timeout=0, fallback_to_soft=False):
                pages = self._pages()
                if not self._over.is_set():
                    write_json(self.index_file, self._index(pages), indent=None, sealed=True)
        except Timeout:
            return  # another process is drawing
        except (UserError, OSError) as error:  # such as a full disk: a later run goes on
            logging.getLogger("lgm").warning("no thumbnails: %s", error)

    def _pages(self) -> list[str]:
        wanted = np.zeros(len(self._images), dtype=bool)
        wanted[spread(self._images.labels, MOST).numpy()] = True
        names = [f"{page:04d}.webp" for page in range(math.ceil(len(self._images) / PER_PAGE))]
        for page, name in enumerate(names):
            if self._over.is_set():
                break
            if not (self._folder / name).exists():
                drawn = wanted[page * PER_PAGE : (page + 1) * PER_PAGE]
                self._page(name, drawn, page * PER_PAGE)
        return names

    def _page(self, name: str, drawn: np.ndarray, first: int) -> None:
        rows = math.ceil(len(drawn) / COLUMNS)
        sheet = np.full((rows * SIDE, COLUMNS * SIDE, 3), 128, dtype=np.uint8)
        slots = np.flatnonzero(drawn)
        squares = load_squares(self._images, (first + slots).tolist(), SIDE, SIDE, threads=1).numpy()
        for slot, square in zip(slots.tolist(), squares, strict=True):
            y, x = divmod(slot, COLUMNS)
            sheet[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE] = square.transpose(1, 2, 0)
        with replacing(self._folder / name) as new:
            Image.fromarray(sheet).save(new, format="WEBP", quality=80, method=1)

    def _index(self, pages: list[str]) -> dict:
        images = self._images
        count = len(images)
        return {
            "dataset": self._dataset,
            "split": self._split,
            "content": images.content,
            "count": count,
            "side": SIDE,
            "columns": COLUMNS,
            "per_page": PER_PAGE,
            "pages": pages,
            "sha256": [file_sha256(self._folder / page) for page in pages],
            "classes": list(images.classes),
            "labels": images.labels.tolist(),
            "groups": None if images.groups is None else images.groups.tolist(),
            "group_names": list(images.group_names),
            "origins": [images.origin(i) for i in range(count)] if count <= _LONG_LIST else [],
        }


@contextmanager
def drawing(thumbnails: Thumbnails, recorder: Recorder, *, at_once: bool = True) -> Iterator[None]:
    """Draw thumbnails while the body runs, then wait until all are there.

    After an error what is missing is tried once more at the end; a second one leaves it to a later run.

    `at_once` False: the body begins it, when that is in nobody's way; what it has not begun is drawn after it.
    """
    wanted = recorder.config.thumbnails
    if wanted and at_once:
        thumbnails.begin()
    try:
        yield
        for begin in (lambda: None, thumbnails.begin) if wanted else ():
            begin()
            while thumbnails.is_drawing(wait=0.2):
                recorder.phase("thumbnails of the real images")
    finally:
        thumbnails.give_up()
