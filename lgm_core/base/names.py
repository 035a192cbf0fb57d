"""Names: how an unknown one is answered, how "module:name" is loaded, how a text becomes part of a file's name.

>>> unknown("papr", ["paper", "preview"], "preset")
"the preset 'papr' is not known; did you mean 'paper'?"
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from lgm_core.base.errors import UnknownName


def load(name: str) -> Callable[..., Any]:
    """Import and return what "module:name" names."""
    module, attribute = name.split(":")
    return getattr(import_module(module), attribute)


def file_name(text: str, keep: str = ".-") -> str:
    """A text as part of a file's name: what is not a letter, a digit, "_" or one of `keep` becomes "_".

    Letters of any alphabet stay. Caches and runs are named with it: if its result changed, existing ones would no
    longer be found.
    """
    return "".join(letter if letter.isalnum() or letter in keep else "_" for letter in text)


def require_known(name: str, known: Iterable[str], noun: str) -> None:
    """Raise `UnknownName`, with the nearest names, unless `name` is one of `known`."""
    names = list(known)
    if name not in names:
        raise UnknownName(unknown(name, names, noun))


def unknown(name: str, known: Iterable[str], noun: str) -> str:
    """The sentence for an unknown name: the nearest names, or all of them where there are few."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.55)
    if near:
        return f"the {noun} {name!r} is not known; did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(names[:24]) + (", ..." if len(names) > 24 else "")
    return f"the {noun} {name!r} is not known; known are: {shown}"
