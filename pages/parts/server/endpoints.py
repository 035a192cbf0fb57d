"""What every address of the server does: asked for or not, it leads to a file of ours, or fails in a sentence."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from lgm_core.base.errors import UserError
from lgm_core.base.names import LONGEST_FILE_NAME, why_no_name
from pages.parts.server.access import may_read

OWN = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
NEVER = {"Cache-Control": "no-store"} | OWN


class NotHere(Exception):
    """There is no such file, or it may not be seen."""


def inside(root: Path, *names: str) -> Path:
    """The file `names` below `root`; raises `NotHere` unless it is regular and lies, links followed, below `root`."""
    path = root.joinpath(*names)
    if any(why_no_name(name, LONGEST_FILE_NAME) for name in names) or not path.is_file():
        raise NotHere
    if not path.resolve().is_relative_to(root.resolve()):
        raise NotHere
    return path


def endpoint(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Answers what goes wrong with a sentence, never a traceback."""

    @wraps(answer)
    def guarded(request: Request) -> Response:
        if not may_read(request):
            return JSONResponse({"error": "log in to the dashboard first"}, status_code=401, headers=NEVER)
        try:
            return answer(request)
        except NotHere:
            return JSONResponse({"error": "not found"}, status_code=404, headers=NEVER)
        except (UserError, OSError) as error:
            return JSONResponse({"error": str(error)}, status_code=404, headers=NEVER)
        except ValueError as error:
            return JSONResponse({"error": f"not understood: {error}"}, status_code=400, headers=NEVER)

    return guarded


def first_page(request: Request) -> Response:
    """The page Runs is the one at `/`; Streamlit knows no other name for it."""
    return RedirectResponse(f"./?{request.url.query}".removesuffix("?"), headers=OWN)


def whole_number(text: str) -> int:
    """A number in an address; raises `NotHere` for other text."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotHere
    return int(text)
