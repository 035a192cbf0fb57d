"""Pictures by URL and the read-only REST API, as Starlette routes for `app.py`.

Only files inside a run's folder (or one of thumbnails or exports) are served: a name with a slash, a dot name, and a
link that leads out are "not found".

>>> from starlette.applications import Starlette
>>> from starlette.testclient import TestClient
>>> TestClient(Starlette(routes=ROUTES)).get("/api/runs/demo-full/metrics?offset=0").json()
{'lines': [{'step': 0, 'loss': 0.97}], 'offset': 31, 'reset': False, 'damaged': 0}
"""

import io
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lgm_core.base.errors import UserError
from lgm_core.base.files import read_json, starts_line
from lgm_core.base.places import places
from lgm_core.methods.lgm.levels import level_facts, level_strip
from lgm_core.reports.unseen import reports_of
from lgm_core.runs.damage import good_lines, problems_in
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.maps.points import COLOURINGS, METHODS, has, load_map, packed
from pages.parts.server.api_document import DOCUMENT
from pages.parts.server.endpoints import NEVER, OWN, NotHere, endpoint, inside, whole_number
from pages.parts.server.guard import SANDBOXED

FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"} | OWN
# its own covers count as another origin's to a sandboxed page
_PAGES = NEVER | SANDBOXED | {"Cross-Origin-Resource-Policy": "cross-origin"}
GROWING = {"metrics": "metrics_file", "frames": "frame_index", "trail": "trail_file"}  # address -> in `RunFolder`
_FACTS = ("kind", "dataset", "backbone", "method", "study", "source", "example")


@endpoint
def frame(request: Request) -> Response:
    """One frame of a run; it never changes."""
    path = inside(_run(request).path, "frames", request.path_params["file"])
    if path.suffix != ".webp":
        raise NotHere
    return FileResponse(path, media_type="image/webp", headers=FOR_EVER)


@endpoint
def thumbs(request: Request) -> Response:
    """One page of thumbnails of real images."""
    path = inside(places().thumbs, request.path_params["key"], request.path_params["file"])
    if path.suffix != ".webp":
        raise NotHere
    return FileResponse(path, media_type="image/webp", headers=FOR_EVER)


@endpoint
def levels_picture(request: Request) -> Response:
    """The pyramid levels of one image at the checkpoint's step; another step's address is not found."""
    run, (step, image) = _run(request), [whole_number(request.path_params[name]) for name in ("step", "image")]
    if level_facts(run)[0] != step:
        raise NotHere
    try:
        strip = level_strip(run, image)
    except IndexError:
        raise NotHere from None
    file = io.BytesIO()
    strip.save(file, format="PNG", compress_level=1)
    return Response(file.getvalue(), media_type="image/png", headers=FOR_EVER)


@endpoint
def download(request: Request) -> Response:
    """A file of the run's folder, to keep."""
    path = inside(_run(request).path, request.path_params["file"])
    return _attachment(path)


@endpoint
def exported(request: Request) -> Response:
    """A film or an archive that was made from a run."""
    return _attachment(inside(places().cache / "exports", request.path_params["run"], request.path_params["file"]))


@endpoint
def site(request: Request) -> Response:
    """A page or a cover of the gallery site that was written; its scripts run, but as of another origin."""
    path = inside(places().cache / "site", *request.path_params["file"].split("/"))
    if path.suffix not in (".html", ".webp"):
        raise NotHere
    return FileResponse(path, headers=_PAGES)


@endpoint
def report(request: Request) -> Response:
    """The report that the page Report shows in a frame; sandboxed as the gallery is."""
    path = inside(places().cache / "reports", request.path_params["file"])
    if path.suffix != ".html":
        raise NotHere
    return FileResponse(path, headers=_PAGES)


@endpoint
def document(request: Request) -> Response:
    """The OpenAPI document of all these addresses."""
    return _json(DOCUMENT)


@endpoint
def runs(request: Request) -> Response:
    """All runs, oldest first: id, what they do, marks, state; and a sentence for each folder that is left out."""
    found, store = [], RunStore(places().runs)
    for run, its in store.shown():
        status, facts = run.status(), {name: getattr(its, name) for name in _FACTS}
        facts["marks"] = asdict(run.marks())
        found.append({"id": run.id, **facts, "state": status.state, "step": status.step, "steps": status.steps})
    return _json({"runs": found, "left_out": store.unreadable()})


@endpoint
def run(request: Request) -> Response:
    """One run: config as written, marks, status, environment, what it was asked for, what is wrong with its files."""
    found = _run(request)
    values, told = read_json(found.config_file), {"notes": found.notes(), "problems": found.problems()}
    told |= {"example": found.is_example(), "marks": asdict(found.marks()), "status": asdict(found.status())}
    return _json({"id": found.id, **values, **told, "wish": found.wish()})


@endpoint
def evals(request: Request) -> Response:
    """All evaluation reports of a run, the one that it is known by first."""
    return _json({"evals": reports_of(_run(request))})


@endpoint
def levels(request: Request) -> Response:
    """Which pyramid levels the checkpoint has."""
    step, sides = level_facts(_run(request))
    return _json({"step": step, "sides": sides})


@endpoint
def points(request: Request) -> Response:
    """The points of an embed run's map for the component that draws them, as bytes."""
    method, colour_by = (request.path_params[name] for name in ("method", "colour"))
    found = load_map(_run(request))
    if method not in METHODS or not has(found, method) or colour_by not in COLOURINGS:
        raise NotHere
    return Response(packed(found, method, colour_by), media_type="application/octet-stream", headers=FOR_EVER)


def file_of(name: str) -> Callable[[Request], Response]:
    """An endpoint for a JSON file as the run wrote it; not found where it is damaged.

    `name`: the attribute of `RunFolder` that holds its path.
    """

    @endpoint
    def answer(request: Request) -> Response:
        found = _run(request)
        path = inside(found.path, getattr(found, name).name)
        if problems_in([path], []):
            raise NotHere
        return FileResponse(path, media_type="application/json", headers={"Cache-Control": "no-cache"})

    return answer


def lines_of(name: str) -> Callable[[Request], Response]:
    """An endpoint for a file that grows; `name`: the attribute of `RunFolder` that holds its path."""

    @endpoint
    def answer(request: Request) -> Response:
        return _json(_lines(_run(request), name, request.query_params.get("offset", "0")))

    return answer


@endpoint
def news(request: Request) -> Response:
    """All that the player asks for each second, in one answer: the lines of each growing file, and the run's state."""
    run, found = _run(request), dict[str, Any]()
    for what, name in GROWING.items():
        with suppress(NotHere, UserError, OSError):  # one file that cannot be read does not hide the others
            found[what] = _lines(run, name, request.query_params.get(what, "0"))
    return _json(found | {"state": run.status().state})


def _lines(run: RunFolder, name: str, offset_as_text: str) -> dict[str, Any]:
    """The whole lines of a file from a byte offset on, and where to go on from.

    Where the file has become shorter, as when a run goes on from a checkpoint, or the offset lies inside a line, it
    starts anew, and says `reset`. Damaged lines are left out and counted.
    """
    offset, path = int(offset_as_text), getattr(run, name)
    if not 0 <= offset < 2**63:
        raise ValueError("an offset is a number of bytes, at least 0")
    if not path.exists():
        return {"lines": [], "offset": 0, "reset": offset > 0, "damaged": 0}
    inside(run.path, *path.relative_to(run.path).parts)
    reset = not starts_line(path, offset)
    found = good_lines(path, 0 if reset else offset)
    return {"lines": found.good, "offset": found.end, "reset": reset, "damaged": found.damaged}


def _run(request: Request) -> RunFolder:
    return RunFolder(inside(places().runs, request.path_params["run"], "config.json").parent)


def _attachment(path: Path) -> Response:
    return FileResponse(path, filename=path.name, headers=NEVER)


def _json(values: dict[str, Any]) -> Response:
    return JSONResponse(_finite(values), headers=NEVER)


def _finite(value: Any) -> Any:
    """The values with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


ROUTES = [
    Route("/app/static/runs/{run}/frames/{file}", frame),
    Route("/app/static/runs/{run}/levels/{step}/{image}.png", levels_picture),
    Route("/app/static/runs/{run}/download/{file}", download),
    Route("/app/static/runs/{run}/map/{method}/{colour}", points),
    Route("/app/static/exports/{run}/{file}", exported),
    Route("/app/static/thumbs/{key}/{file}", thumbs),
    Route("/app/static/site/{file:path}", site),
    Route("/app/static/reports/{file}", report),
    Route("/api/openapi.json", document),
    Route("/api/runs", runs),
    Route("/api/runs/{run}", run),
    Route("/api/runs/{run}/new", news),
    *(Route(f"/api/runs/{{run}}/{what}", lines_of(name)) for what, name in GROWING.items()),
    Route("/api/runs/{run}/evals", evals),
    Route("/api/runs/{run}/levels", levels),
    Route("/api/runs/{run}/map", file_of("map_file")),
    Route("/api/runs/{run}/alignment", file_of("alignment_file")),
    Route("/api/runs/{run}/findings", file_of("findings_file")),
]
