"""The names of timm's models, read from its source: timm itself would load torch, which whoever starts a run has not.

>>> require_timm_model(find_row("timm:resnet18.a1_in1k"))
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lgm_core.backbones.row import BackboneRow
from lgm_core.base.errors import UnknownName
from lgm_core.base.names import unknown


def require_timm_model(row: BackboneRow) -> None:
    """Raise `UnknownName`, with the nearest names, for `timm:NAME` where timm surely has no such model."""
    name = row.architecture.partition(".")[0]
    if not row.name.startswith("timm:") or name in _names():
        return
    if not re.search(rf"\b{re.escape(name)}\b", _source()):  # older names stand in other places
        raise UnknownName(unknown(name, _names(), "timm model"))


@cache
def _names() -> frozenset[str]:
    return frozenset(re.findall(r"@register_model\s+def (\w+)", _source()))


@cache
def _source() -> str:
    spec = find_spec("timm")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path("/nowhere")
    return "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.py")))
