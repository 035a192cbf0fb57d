"""Errors that teach: what was given, what was expected, what to do.

Whoever starts the program (command line, dashboard, notebook) shows the text of a `UserError` and no traceback.

>>> def half(steps: int) -> int:
...     if steps % 2:
...         raise UserError(f"steps is {steps}; give an even number")
...     return steps // 2
>>> result_or_why(lambda: half(3))
(None, 'steps is 3; give an even number')
"""

import errno
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class UserError(Exception):
    """A mistake or a lack that the user can mend; `exit_code` is what the command line returns."""

    exit_code = 2


class Unmeasured(UserError):
    """An evaluation that came to no number worth the name: a training that diverged, a predictor that is constant."""


class ConfigError(UserError):
    """A wrong name or value in a configuration."""


class UnknownName(UserError):
    """A name that no catalogue holds; the text offers the nearest ones."""


class DamagedFile(UserError):
    """A file that is there and cannot be read as what it should be: not text, not JSON, not what belongs in it."""


class Unavailable(UserError):
    """Weights or data that are not here and could not be fetched; the text says what to put where."""

    exit_code = 3


def disk_words(error: OSError) -> str:
    """What a refused write or read means for the user, with the remedy; "" for errors that are not of that kind."""
    file = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full ({file}); free some space (`lgm cache` shows what fills it), "
            "then run the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{file} cannot be written or read ({error.strerror}); check the permissions of its folder, or set "
            "LGM_CACHE to a writable folder"
        )
    if error.errno == errno.EIO:
        return f"the disk reports an error at {file}; check the disk, then run the same command again"
    if error.errno == errno.EISDIR:
        return (
            f"{error.filename2 or file} is a folder where a file belongs; move it away, then run the same command again"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and error.filename:
        return f"{file} no longer exists: its folder was moved or deleted while in use"
    return ""


def result_or_why(ask: Callable[[], _T], but: type[UserError] = UserError) -> tuple[_T | None, str]:
    """(result of `ask()`, ""), or (None, the error's text) if it raises a `UserError`, or only its subclass `but`."""
    try:
        return ask(), ""
    except but as error:
        return None, str(error)
