"""Ways to harm a file of a run folder or of the cache, and all that reads them.

>>> store = full_store(folder)
>>> harm = HARMS["flipped"](path.read_bytes(), 0.5)
>>> failures(store, READERS)  # what raised, answered 500, or printed a traceback
[]
"""

import io
import json
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.cli.main import main
from lgm_core.jobs import local
from lgm_core.reports.card import card, export_zip
from lgm_core.reports.page import run_report, study_report
from lgm_core.reports.site import write_site
from lgm_core.runs.checkpoints import read_checkpoint
from lgm_core.runs.source_runs import open_source, read_set
from lgm_core.runs.store import RunFolder, RunStore
from pages.parts.images import thumb_index, thumb_keys, thumb_sprite
from pages.parts.maps.neighbourhood import _nearest_rows
from pages.parts.maps.points import _load
from pages.parts.player.player import class_titles, player_data
from pages.parts.server.routes import ROUTES
from tests.faults.full_store import RUN


def files_of(store: RunStore) -> list[str]:
    """Each kind of file once, by its path below the cache; those that a worker goes on with also of a paused run."""
    kinds: dict[tuple[str, str], str] = {}
    found = sorted(path for path in store.root.parent.rglob("*") if path.is_file() and path.suffix != ".lock")
    for path in sorted(found, key=lambda path: RUN not in path.parts):
        many = path.parent.name in ("evals", "frames", "queue") and path.name != "start.webp"
        kind = path.suffix if many else path.name
        of = next((name for name in ("map", "networks") if name in path.parts), "")
        if not path.name.startswith("."):
            kinds.setdefault((kind, of), str(path.relative_to(store.root.parent)))
    return sorted(kinds.values())


def run_of(store: RunStore, file: str) -> RunFolder:
    """The run that a file belongs to, or one that a file of the cache concerns."""
    folder, name, *_ = Path(file).parts
    return RunFolder(store.root / (name if folder == "runs" else RUN))


def _flipped(content: bytes, share: float) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[int((len(changed) - 1) * share)] ^= 0x04
    return bytes(changed)


def _of_another_type(name: str, content: bytes) -> bytes:
    """A file that is whole, and of another kind or with other things in it."""
    if name.endswith(".safetensors"):
        tensors = {"images": torch.zeros(3), "labels": torch.zeros(2), "synthetic.level_x": torch.zeros(2, 2)}
        return save(tensors | {"indices": torch.zeros(2, 2), "similarity": torch.zeros(1)}, {"next_step": "x"})
    if name.endswith(".webp"):
        file = io.BytesIO()
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(file, "PNG")
        return file.getvalue()
    if name.endswith(".jsonl"):
        odd = [{"step": 2**70}, {"step": -1, "file": "x", "points": 3}, {"step": 0, "loss": [], "labels": {}}]
        return b"".join(json.dumps(line).encode() + b"\n" for line in odd)
    if name.endswith(".json"):
        values = json.loads(content)
        values.pop("sha256_of_the_rest", None)
        return json.dumps(_turned(values)).encode()
    return b"\x1f\x8b\x08\x00" + content


def _odd(name: str, content: bytes, value: Any, of: type | None = None) -> bytes:
    """JSON in which each value of a type, or a further one, is another; all other files as they are."""
    if not name.endswith((".json", ".jsonl")):
        return content
    if name.endswith(".jsonl"):
        *before, last = content.splitlines()
        return b"".join(line + b"\n" for line in (*before, _odd(".json", last, value, of)))
    values = json.loads(content)
    values.pop("sha256_of_the_rest", None)
    return json.dumps(values | {"further": value} if of is None else _with(values, value, of)).encode()


def _with(values: Any, value: Any, of: type) -> Any:
    if isinstance(values, dict):
        return {name: _with(inner, value, of) for name, inner in values.items()} | {"further": value}
    if isinstance(values, list):
        return [_with(inner, value, of) for inner in values]
    return value if type(values) is of else values


def _turned(value: Any) -> Any:
    """Numbers become words, words lists, lists numbers, at every depth of objects."""
    if isinstance(value, Mapping):
        return {name: _turned(inner) for name, inner in value.items()}
    if isinstance(value, str):
        return [value]
    return 7 if isinstance(value, list) else str(value)


Harm = Callable[[str, bytes, float], bytes | None]
HARMS: dict[str, Harm] = {
    "missing": lambda name, content, share: None,
    "empty": lambda name, content, share: b"",
    "truncated": lambda name, content, share: content[: int(len(content) * share)],
    "flipped": lambda name, content, share: _flipped(content, share),
    "garbage": lambda name, content, share: np.random.default_rng(7).bytes(500),
    "of another type": lambda name, content, share: _of_another_type(name, content),
    "huge numbers": lambda name, content, share: _odd(name, content, 10**400, int),
    "half letters": lambda name, content, share: _odd(name, content, "\ud800x", str),
    "too deep": lambda name, content, share: _odd(name, content, reduce(lambda inner, _: [inner], range(700), [])),
    "not UTF-8": lambda name, content, share: content[: int(len(content) * share)] + b"\xff\xfe" + content[-20:],
}


@cache
def _client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES), raise_server_exceptions=False)


def _asked(path: str) -> None:
    answer = _client().get(path)
    if answer.status_code >= 500:
        _strict().get(path)  # raises what went wrong
    assert answer.status_code in (200, 400, 404), (path, answer.status_code)


@cache
def _strict() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


def _command(*words: str) -> None:
    code = main(list(words))
    assert code in (0, 2, 3), (words, code)


def _api(store: RunStore, run: RunFolder) -> None:
    for what in ("", "/metrics", "/frames", "/trail", "/evals", "/levels", "/map", "/metrics?offset=31"):
        _asked(f"/api/runs/{run.id}{what}")
    _asked(f"/app/static/runs/{run.id}/levels/12/3.png")
    for frame in run.frame_list()[:1]:
        _asked(f"/app/static/runs/{run.id}/frames/{frame['file']}")


def _resume(store: RunStore, run: RunFolder) -> None:
    """What a worker reads before it goes on; `test_every_file` also does it."""
    read_checkpoint(run)
    local.resume(run)


def _pages(store: RunStore, run: RunFolder) -> None:
    player_data(run, run.status()), class_titles(run), run.log_tail(), run.marks(), run.wish(), run.own_labels()
    _load(str(run.map_file), run.map_file.stat().st_mtime_ns if run.map_file.exists() else 0)
    _nearest_rows(run, 3, 5)
    for key in thumb_keys("imagenette").values():
        thumb_sprite(thumb_index(key), 3)


READERS: dict[str, Callable[[RunStore, RunFolder], object]] = {
    "lgm show": lambda store, run: _command("show", run.id),
    "lgm show STUDY": lambda store, run: _command("show", "s"),
    "lgm list runs": lambda store, run: _command("list", "runs"),
    "/api/runs": lambda store, run: _asked("/api/runs"),
    "/api/runs/RUN": _api,
    "pages": _pages,
    "report": lambda store, run: run_report(run),
    "report of a study": lambda store, run: store.study("s") and study_report("s", store.study("s")),
    "card": lambda store, run: card(run),
    "export": lambda store, run: export_zip(run),
    "images": lambda store, run: read_set(open_source(store, run.id)),
    "gallery": lambda store, run: write_site([run], store.root.parent / "site"),
    "lgm groups": lambda store, run: _command("groups"),
    "queue": lambda store, run: local.queue(places()),
    "resume": _resume,
}


def failures(store: RunStore, run: RunFolder, readers: Mapping[str, Callable[[RunStore, RunFolder], object]]):
    """(reader, what went wrong) of those that raise another thing than a sentence, answer 500, or print a traceback."""
    found = []
    for name, read in readers.items():
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                read(store, run)
        except UserError as error:
            if not str(error):
                found.append((name, "a sentence without words"))
        except BaseException as error:
            found.append((name, _where(error)))
        if "Traceback" in said.getvalue():
            found.append((name, said.getvalue()[-300:]))
    return found


def _where(error: BaseException) -> str:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if {"lgm_core", "pages"} & {*Path(f.filename).parts}]
    return f"{type(error).__name__}: {error} at {[f'{frame.filename}:{frame.lineno}' for frame in ours[-1:]]}"
