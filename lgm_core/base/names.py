"""Names: how an unknown one is answered, how "module:name" is loaded, what can be the name of a file, of a run.

>>> unknown("papr", ["paper", "preview"], "preset")
"unknown preset 'papr'; did you mean 'paper'?"
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from lgm_core.base.errors import UnknownName

LONGEST_NAME = 200  # bytes, of a run or a study: what is named after it, with additions, stays below 255
_MOST_NAMED = 60  # in one sentence
LONGEST_FILE_NAME = 255  # bytes: the limit of the usual file systems


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


def thumbs_key(dataset: str, split: str, fingerprint: str) -> str:
    """The name of the folder with the small pictures of a split's images."""
    return f"{file_name(dataset)[-60:]}-{split}-{fingerprint[:12]}"


def why_no_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Why a text cannot be the name of a run, a study, or a file in a folder, in words; "" where it can.

    The one rule for all names, whether typed or read from disk. `longest`: bytes in UTF-8.

    >>> why_no_name("../x")
    'contains "/" or "\\\\"'
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    if not name:
        return "is empty"
    if set(name) & {"/", "\\"}:
        return 'contains "/" or "\\"'
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "contains a control character"
    if name.startswith("."):
        return 'starts with "."'
    return f"has {size} bytes, and the limit is {longest}" if size > longest else ""


def require_known(name: str, known: Iterable[str], noun: str) -> None:
    """Raise `UnknownName`, with the nearest names, unless `name` is one of `known`."""
    names = list(known)
    if name not in names:
        raise UnknownName(unknown(name, names, noun))


def unknown(name: str, known: Iterable[str], noun: str) -> str:
    """The sentence for an unknown name: the nearest names, or all of them where there are few."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.55)
    near = near or [one for one in names if len(name) > 2 and name.lower() in one.lower()][:3]
    if near:
        return f"unknown {noun} {name!r}; did you mean {' or '.join(map(repr, near))}?"
    if len(names) > _MOST_NAMED:
        return f"unknown {noun} {name!r}; {len(names)} are known, none of them like it; such as {', '.join(names[:5])}"
    return f"unknown {noun} {name!r}; known are: {', '.join(names)}"
