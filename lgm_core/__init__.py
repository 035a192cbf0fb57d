"""The engine of LGM Studio: dataset distillation on frozen, pre-trained vision backbones. Importing it loads no torch.

>>> import lgm_core
>>> run = lgm_core.distill("scenes", "mobilenet_v2", preset="preview", evaluate_on=["mobilenet_v2"])
>>> run.images.shape, run.accuracies()

Read engine.py first (the story of a run), then config.py (every knob) and base/interfaces.py (the nouns). Rooms: base,
datasets, backbones; methods (a package each); evaluation (what a set is worth); analysis (maps, and how alike backbones
are); runs (the record on disk); reports (tables, pages, exports); jobs (workers); cli and api (the ways in).
"""

from typing import Any

from lgm_core.base.places import VERSION as __version__  # noqa: F401 (the package's version, for others)

_INTERFACE = {
    "distill", "baseline", "evaluate", "embed", "align", "layers", "backbone_card", "patches", "style", "fork",
    "open_run", "list_runs", "Run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """The Python interface of `lgm_core.api`, loaded when first used."""
    if name in _INTERFACE:
        from importlib import import_module

        return getattr(import_module("lgm_core.api"), name)
    raise AttributeError(f"lgm_core has no {name!r}; see lgm_core.api")
