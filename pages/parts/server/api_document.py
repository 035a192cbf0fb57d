"""The REST API as an OpenAPI document, served at `/api/openapi.json`: which addresses there are, and what they answer.

Its shapes are those by which the files of a run are checked (`lgm_core/runs/shapes.py`).

>>> DOCUMENT["paths"]["/api/runs/{run}/levels"]["get"]["summary"]
'Which pyramid levels the checkpoint has.'
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import FunctionType, UnionType
from typing import Any

from lgm_core.base.places import VERSION
from lgm_core.runs import shapes
from lgm_core.runs.finding_shapes import FINDINGS
from lgm_core.runs.marks import Marks
from lgm_core.runs.misfits import NUMBER
from lgm_core.runs.status import Status
from pages.parts.maps.points import COLOURINGS, METHODS

Schema = dict[str, Any]
_NAMES = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array"}
_NUMBER: Schema = {"type": ["number", "null"], "description": "null where it is not finite"}


def schema(shape: Any) -> Schema:
    """The JSON schema of a shape (`runs/shapes.py`)."""
    if isinstance(shape, tuple):
        return {"anyOf": [schema(one) for one in shape]}
    if isinstance(shape, list):
        return {"type": "array", "items": schema(shape[0])}
    if isinstance(shape, Mapping):
        return {
            "type": "object",
            "properties": {name.removesuffix("?"): schema(inner) for name, inner in shape.items()},
            "required": [name for name in shape if not name.endswith("?")],
        }
    if isinstance(shape, FunctionType):
        return {"description": shape.__doc__ or ""}
    if isinstance(shape, UnionType) or shape is float:
        return _NUMBER
    return {"type": "null"} if shape is None else {"type": _NAMES[shape]}


def _of(cls: type) -> Schema:
    """The schema of a dataclass with plain defaults."""
    kinds = {f.name: [str] if isinstance(f.default, tuple) else type(f.default) for f in fields(cls)}
    return schema(kinds)


def _lines(line: Mapping[str, Any]) -> Schema:
    lines = {"step": int} | dict(line)
    return schema({"lines": [lines], "offset": int, "reset": bool, "damaged": int})


_MARKS, _STATUS = _of(Marks), _of(Status)
_LISTED = schema({name: str for name in ("id", "kind", "dataset", "backbone", "method", "study", "source", "state")}
                 | {"step": int, "steps": int})  # fmt: skip
_LISTED["properties"]["marks"] = _MARKS
_RUNS = schema({"left_out": [str]})
_RUNS["properties"]["runs"] = {"type": "array", "items": _LISTED}
_RUN = schema({"id": str, "config": dict, "notes": [str], "problems": [str], "wish": str})
_RUN["properties"] |= {"marks": _MARKS, "status": _STATUS}

_PARAMETERS: dict[str, Schema] = {
    "run": {"type": "string", "description": "the run's id, the name of its folder"},
    "file": {"type": "string", "description": "the name of a file in that folder"},
    "key": {"type": "string", "description": "the folder of the thumbnails of a split"},
    "step": {"type": "integer", "minimum": 0},
    "image": {"type": "integer", "minimum": 0},
    "method": {"type": "string", "enum": list(METHODS)},
    "colour": {"type": "string", "enum": list(COLOURINGS)},
}
_OFFSET = {
    "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0},
    "description": "the byte to read from: 0, or the offset of the last answer",
}  # fmt: skip
_ERROR = {"application/json": {"schema": schema({"error": str})}}


def _get(path: str, summary: str, content: str, answer: Schema | None = None, offsets: Sequence[str] = ()) -> Schema:
    """An address that can only be read. `content`: the media type of what it answers; `offsets`: in its query."""
    named = [name for name in _PARAMETERS if f"{{{name}}}" in path]
    parameters = [{"name": n, "in": "path", "required": True, "schema": _PARAMETERS[n]} for n in named]
    responses = {
        "200": {"description": summary, "content": {content: {"schema": answer} if answer else {}}},
        "401": {"description": "a login is set up, and who asks is not logged in", "content": _ERROR},
        "404": {"description": "there is no such thing, or it cannot be read", "content": {**_ERROR, "text/plain": {}}},
    }
    parameters += [{"name": name, **_OFFSET} for name in offsets]
    if offsets:
        responses["400"] = {"description": "the offset is not a number of bytes", "content": _ERROR}
    return {"get": {"summary": summary, "parameters": parameters, "responses": responses}}


_JSON, _WEBP, _HTML, _ANY = "application/json", "image/webp", "text/html", "*/*"
_BYTES = "application/octet-stream"
_LEVELS = schema({"step": int, "sides": [int]})
_FINDINGS = {"anyOf": [schema({"kind": str} | dict(shape)) for shape in FINDINGS.values()]}
_MAP = {"anyOf": [schema(shapes.MAP_OF_BACKBONE), schema(shapes.MAP_OF_RUN)]}
_ROWS: tuple[tuple[str, str, str, Schema | None], ...] = (
    ("/api/runs", "All runs, oldest first, and a sentence for each folder that is left out.", _JSON, _RUNS),
    ("/api/runs/{run}", "One run: config, marks, status, what is wrong with its files.", _JSON, _RUN),
    (
        "/api/runs/{run}/evals",
        "All evaluation reports of a run, the one that it is known by first.",
        _JSON,
        schema({"evals": [shapes.REPORT]}),
    ),
    ("/api/runs/{run}/levels", "Which pyramid levels the checkpoint has.", _JSON, _LEVELS),
    ("/api/runs/{run}/map", "The map of the real images.", _JSON, _MAP),
    ("/api/runs/{run}/alignment", "How alike backbones see a data set.", _JSON, schema(shapes.ALIGNMENT)),
    ("/api/runs/{run}/findings", "What an instrument found: cards, layers, patches, style.", _JSON, _FINDINGS),
    ("/api/openapi.json", "This document.", _JSON, schema({"openapi": str, "paths": dict})),
    ("/app/static/runs/{run}/frames/{file}", "All images of a step, as one picture.", _WEBP, None),
    ("/app/static/runs/{run}/levels/{step}/{image}.png", "The pyramid levels of one image.", "image/png", None),
    ("/app/static/runs/{run}/download/{file}", "A file of the run's folder.", _ANY, None),
    ("/app/static/runs/{run}/map/{method}/{colour}", "The points of a map, as bytes.", _BYTES, None),
    ("/app/static/exports/{run}/{file}", "A film or an archive that was made of a run.", _ANY, None),
    ("/app/static/thumbs/{key}/{file}", "One page of thumbnails of real images.", _WEBP, None),
    ("/app/static/site/{file}", "A page or a cover of the gallery.", _ANY, None),
    ("/app/static/reports/{file}", "A report that the dashboard shows.", _HTML, None),
)
_GROWING = {
    "metrics": ("The lines of metrics", {"loss?": NUMBER}),
    "frames": ("The frames that there are", shapes.FRAME),
    "trail": ("Where the synthetic images lay on the map", shapes.LINES["trail.jsonl"]),
}

_NEW = schema({"state": str})
_NEW["properties"] |= {what: _lines(line) for what, (_, line) in _GROWING.items()}

DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "LGM Studio", "version": VERSION, "description": "Runs and their pictures, to read."},
    "paths": {path: _get(path, words, content, answer) for path, words, content, answer in _ROWS}
    | {
        f"/api/runs/{{run}}/{what}": _get(
            f"/api/runs/{{run}}/{what}", f"{words}, from a byte offset on.", _JSON, _lines(line), ["offset"]
        )
        for what, (words, line) in _GROWING.items()
    }
    | {
        "/api/runs/{run}/new": _get(
            "/api/runs/{run}/new", "The three together, and the state.", _JSON, _NEW, [*_GROWING]
        )
    },
}
