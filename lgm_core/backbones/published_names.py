"""The names of timm's and open_clip's models, read from their source: they would load torch, which whoever starts a run
has not.

>>> require_published(find_row("timm:resnet18.a1_in1k"))
"""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lgm_core.backbones.row import BackboneRow
from lgm_core.base.errors import UnknownName
from lgm_core.base.names import unknown


def require_published(row: BackboneRow) -> None:
    """Raise `UnknownName`, with the nearest names, for `timm:NAME.TAG` or `open_clip:NAME/TAG` where the library surely
    has no such model, or no such weights of it.
    """
    if row.name.startswith("timm:") and _timm_names():
        _require_timm(*row.architecture.partition(".")[::2])
    elif row.name.startswith("open_clip:"):
        _require_open_clip(*row.architecture.partition("/")[::2])


def _require_timm(name: str, tag: str) -> None:
    if name not in _timm_names() and not re.search(rf"\b{re.escape(name)}\b", _timm()):  # older names: elsewhere
        raise UnknownName(unknown(name, _timm_names(), "timm model"))
    tags = {*re.findall(rf"[\"']{re.escape(name)}\.([\w.-]+)[\"']", _timm())}  # none where they are put together
    if tag and tags and tag not in tags:
        raise UnknownName(unknown(tag, sorted(tags), f"tag of {name}"))


def _require_open_clip(name: str, tag: str) -> None:
    folder = _folder("open_clip")
    known = sorted(file.stem for file in folder.glob("model_configs/*.json"))
    if not known:  # the library is not here
        return
    if name not in known:
        raise UnknownName(unknown(name, known, "open_clip model"))
    tags = _open_clip_tags().get(name.removesuffix("-quickgelu"))
    if tags and tag not in tags:  # the others are asked once the library is imported
        raise UnknownName(unknown(tag, tags, f"tag of {name}"))


@cache
def _timm_names() -> frozenset[str]:
    return frozenset(re.findall(r"@register_model\s+def (\w+)", _timm()))


@cache
def _timm() -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted((_folder("timm") / "models").glob("*.py")))


@cache
def _open_clip_tags() -> dict[str, list[str]]:
    """The tags of each model, from tables in its source: `_RN50 = dict(openai=...)`, `_PRETRAINED = {"RN50": ...}`."""
    tables: dict[str, ast.expr] = {}
    for node in ast.parse((_folder("open_clip") / "pretrained.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            tables[node.targets[0].id] = node.value
    models, found = tables.get("_PRETRAINED"), {}
    for key, value in zip(models.keys, models.values, strict=True) if isinstance(models, ast.Dict) else ():
        table = tables.get(value.id) if isinstance(value, ast.Name) else value
        if isinstance(key, ast.Constant) and isinstance(table, ast.Call):
            found[str(key.value)] = [str(word.arg) for word in table.keywords]
    return found


def _folder(package: str) -> Path:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else Path("/nowhere")
