"""JSON objects as text in files: what is read can be counted with, walked, printed and sent, whoever wrote it.

>>> object_of(b'{"step": 3}')
{'step': 3}
>>> object_of(b'{"pid": 1' + 400 * b"0" + b"}")
Traceback (most recent call last):
    ...
ValueError: a number of 401 digits
"""

import json
import re
from collections.abc import Mapping
from typing import Any

DEEPEST = 64  # lists and objects within one another
_LARGEST = 2**63
_MAYBE_LONE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)  # also half of a pair, which is a letter beyond 16 bits
_DIGITS = bytes(ord("9") if chr(byte).isdecimal() else ord(".") if byte == ord(".") else 32 for byte in range(256))
_HUGE = 19 * b"9"
_NO_BRACKETS = bytes({*range(256)} - {*b"[]{}"})


def object_of(text: bytes) -> dict[str, Any]:
    """Raises `ValueError`, in words, for anything but a JSON object in UTF-8.

    Also where a whole number needs more than 64 bits, where lists lie more than `DEEPEST` deep within one another, and
    where a text holds half a letter (a lone surrogate), which nobody could print.
    """
    try:
        written = text.decode()
        values = json.loads(written, parse_int=_bounded if _may_be_huge(text) else None)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except _TooLarge as error:
        raise ValueError(str(error)) from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON" if text.strip() else "empty") from None
    if not isinstance(values, dict):
        raise ValueError("JSON, but not an object")
    if _may_be_deep(text) and _is_deep(values):
        raise ValueError(f"lists more than {DEEPEST} deep within one another")
    if _MAYBE_LONE.search(written) and _has_lone(values):
        raise ValueError("a text with half a letter")
    return values


def text_of(values: Mapping[str, Any], indent: int | None = None) -> str:
    """The text of an object; half letters, such as those of a file's name that is not UTF-8, become "?"."""
    text = json.dumps(values, indent=indent)
    if _MAYBE_LONE.search(text):
        text = json.dumps(json.loads(json.dumps(values, ensure_ascii=False).encode(errors="replace")), indent=indent)
    return text


class _TooLarge(ValueError):
    """A whole number of more than 64 bits."""


def _bounded(digits: str) -> int:
    if len(digits) > 20 or not -_LARGEST <= int(digits) < _LARGEST:
        raise _TooLarge(f"a number of {len(digits.lstrip('-'))} digits")
    return int(digits)


def _may_be_huge(text: bytes) -> bool:
    """Quick, for long maps: are there 19 digits on end, other than after a point?"""
    digits = text.translate(_DIGITS)
    at = digits.find(_HUGE)
    while at > 0 and digits[at - 1 : at] == b".":
        at = digits.find(_HUGE, digits.find(b" ", at))
    return at >= 0


def _may_be_deep(text: bytes) -> bool:
    """Quick, for long maps: is there anything left when the innermost brackets are taken away so often?"""
    brackets = text.translate(None, _NO_BRACKETS)
    for _ in range(DEEPEST // 2):  # one turn may take a list and the object around it
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)  # also where a text holds one bracket of a pair


def _is_deep(values: dict[str, Any]) -> bool:
    level: list[Any] = [values]
    for _ in range(DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [value for part in inner for value in part if isinstance(value, list | dict)]
    return bool(level)


def _has_lone(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
