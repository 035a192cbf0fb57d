"""umap-learn, with what it compiles kept on disk: compiling takes most of the time of a map of some hundred images.

>>> open_umap().UMAP(n_neighbors=15, random_state=0)
UMAP(random_state=0)
"""

import warnings
from contextlib import suppress
from functools import cache
from types import ModuleType


@cache
def open_umap() -> ModuleType:
    """The library. It compiles its functions anew in each process unless they are told to keep what they compile.

    numba keeps it beside the library, else in the user's cache folder, or in $NUMBA_CACHE_DIR, for this processor and
    this version of the source; where it can write to none of these, each process compiles as before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it could do with further libraries
        import umap  # takes seconds; only maps need it
        from numba.core.dispatcher import Dispatcher
        from umap import aligned_umap, layouts, umap_, utils
    for module in (umap_, utils, layouts, aligned_umap):
        for function in vars(module).values():
            if isinstance(function, Dispatcher):
                with suppress(RuntimeError):
                    function.enable_caching()
    return umap
