"""Rows of networks beyond the catalogue, from a name that says where to find them. Facts only: no torch here.

>>> open_row("timm:resnet18.a1_in1k").architecture
'resnet18.a1_in1k'
>>> open_row("mobilenet_v2") is None
True
"""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs

from lgm_core.backbones.row import BackboneRow, Local, Untrained, is_python_file
from lgm_core.base.errors import UnknownName

UNTRAINED = "random:"  # before another name: the same network with random weights
FORMS = ("timm:NAME", "open_clip:NAME/TAG", "file:PATH?timm=NAME", "python:FILE.py:FUNCTION", f"{UNTRAINED}NAME")


def open_row(name: str) -> BackboneRow | None:
    """The row of a name in one of `FORMS`; None for other names. Raises `UnknownName` for a form that is not whole."""
    kind, _, rest = name.partition(":")
    return _ROWS[kind](name, rest) if rest and kind in _ROWS else None


def untrained_row(name: str, row: BackboneRow) -> BackboneRow:
    """The control of a row: its architecture with random weights. Raises `UnknownName` for a network of the user's."""
    if row.builder == "python":
        raise UnknownName(f"{name!r}: a function of your own decides on its weights; name it without {UNTRAINED!r}")
    return replace(row, name=name, title=f"{row.title}, untrained", source=Untrained(), stand_in="", gated=False)


def _timm_row(name: str, architecture: str) -> BackboneRow:
    return _row(name, architecture, "timm", f"timm_{architecture}.safetensors")


def _open_clip_row(name: str, rest: str) -> BackboneRow:
    if not all(rest.partition("/")):
        raise UnknownName(
            f"{name!r} has no tag: write open_clip:NAME/TAG, such as open_clip:ViT-B-32/laion2b_s34b_b79k"
        )
    return _row(name, rest, "open_clip", f"open_clip_{rest}.safetensors".replace("/", "_"), layout="clip_visual")


def _file_row(name: str, rest: str) -> BackboneRow:
    """`file:PATH?timm=NAME`; without a query the architecture must stand in the file's own header (`open_names`)."""
    path, _, query = rest.partition("?")
    architecture = parse_qs(query).get("timm", [""])[0]
    if query and not architecture:
        raise UnknownName(f"{name!r}: after the path only ?timm=NAME is understood, such as file:{path}?timm=resnet18")
    return _row(name, architecture, "timm", Path(path).name, source=Local(Path(path).expanduser()))


def _python_row(name: str, rest: str) -> BackboneRow:
    """`python:FILE.py:FUNCTION` or `python:MODULE:FUNCTION`; nothing is imported before the network is opened."""
    target, _, function = rest.rpartition(":")
    if not target or not function.isidentifier():
        raise UnknownName(f"{name!r} names no function: write python:FILE.py:FUNCTION or python:MODULE:FUNCTION")
    file = Path(target).expanduser() if is_python_file(target) else _file_of_module(target)
    return _row(name, rest, "python", file.name, source=Local(file))


def _file_of_module(name: str) -> Path:
    top, *below = name.split(".")
    spec = find_spec(top) if top and top != "__main__" else None
    if spec is None or not spec.origin:
        raise UnknownName(f"there is no Python module {top!r} here; install it, or write python:FILE.py:FUNCTION")
    file = Path(spec.origin).parent.joinpath(*below) if below else Path(spec.origin)
    return file if not below else file / "__init__.py" if file.is_dir() else file.with_suffix(".py")


def _row(name: str, architecture: str, builder, file: str, source: Local | None = None, **facts) -> BackboneRow:
    return BackboneRow(
        name=name, title=name, family="other", builder=builder, architecture=architecture, source=source, file=file,
        licence="see its publisher", citation="see its publisher", **facts,
    )  # fmt: skip


_ROWS = {"timm": _timm_row, "open_clip": _open_clip_row, "file": _file_row, "python": _python_row}
