"""The engine of LGM Studio: dataset distillation on frozen, pre-trained vision backbones. Importing it loads no torch.

>>> import lgm_core
>>> run = lgm_core.distill("scenes", "mobilenet_v2", preset="preview", evaluate_on=["mobilenet_v2"])
>>> run.images.shape, run.accuracies()

Files, in reading order: engine (the story of a run), config (every knob), interfaces (the nouns), then synthetic,
augment, backbones, gradients, distillers (the method), features, datasets, probe, baselines, evaluation (what it is
worth), mapping, embedding, comparison and analysis (where it lies), runs (the record on disk), jobs (workers), cli and
api (the doors), bench (the cost of a step).
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The Python interface of `lgm_core.api`, loaded when first used."""
    if name in ("distill", "baseline", "evaluate", "embed", "align", "fork", "open_run", "list_runs", "Run"):
        from importlib import import_module

        return getattr(import_module("lgm_core.api"), name)
    raise AttributeError(f"lgm_core has no {name!r}; see lgm_core.api")
