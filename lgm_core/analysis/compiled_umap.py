"""umap-learn, with what it compiles kept on disk: compiling takes most of the time of a map of some hundred images.

>>> with_umap(lambda umap: umap.UMAP(n_neighbors=15, random_state=0).fit_transform(features)).shape
(2000, 2)
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")
_DAMAGE = (UnpicklingError, EOFError, AttributeError, ImportError, IndexError)  # what pickle says of a cut file


def with_umap(use: Callable[[ModuleType], T]) -> T:
    """What `use` makes with the library. Where something that was kept is damaged, all is compiled and kept anew."""
    library = open_umap()
    try:
        return use(library)
    except _DAMAGE:
        for function in _functions(library):
            with suppress(OSError):
                function._cache.flush()
        return use(library)


@cache
def open_umap() -> ModuleType:
    """The library. It compiles its functions anew in each process unless they are told to keep what they compile.

    numba keeps it beside the library, else in the user's cache folder, or in $NUMBA_CACHE_DIR, for this processor and
    this version of the source; where it can write to none of these, each process compiles as before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it could do with further libraries
        import umap  # takes seconds; only maps need it
    for function in _functions(umap):
        with suppress(RuntimeError):
            function.enable_caching()
    return umap


def _functions(library: ModuleType) -> Iterator[Any]:
    """What the library compiles when it is first called."""
    from numba.core.dispatcher import Dispatcher

    for module in (library.umap_, library.utils, library.layouts, library.aligned_umap):
        yield from (function for function in vars(module).values() if isinstance(function, Dispatcher))
