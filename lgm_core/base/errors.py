"""Errors that teach: what was given, what was expected, what to do.

Whoever starts the program (command line, dashboard, notebook) shows the text of a `UserError` and no traceback.

>>> def half(steps: int) -> int:
...     if steps % 2:
...         raise UserError(f"steps is {steps}; give an even number")
...     return steps // 2
>>> result_or_why(lambda: half(3))
(None, 'steps is 3; give an even number')
"""

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class UserError(Exception):
    """A mistake or a lack that the user can mend; `exit_code` is what the command line returns."""

    exit_code = 2


class ConfigError(UserError):
    """A wrong name or value in a configuration."""


class UnknownName(UserError):
    """A name that no catalogue holds; the text offers the nearest ones."""


class DamagedFile(UserError):
    """A file that is there and cannot be read as what it should be: not text, not JSON, not what belongs in it."""


class Unavailable(UserError):
    """Weights or data that are not here and could not be fetched; the text says what to put where."""

    exit_code = 3


def result_or_why(ask: Callable[[], _T], but: type[UserError] = UserError) -> tuple[_T | None, str]:
    """(result of `ask()`, ""), or (None, the error's text) if it raises a `UserError`, or only its subclass `but`."""
    try:
        return ask(), ""
    except but as error:
        return None, str(error)
