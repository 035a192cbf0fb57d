"""The short runs that are disturbed, each in a child of a parent that has imported torch already, and their results.

>>> code, said = forked(KINDS["distil"](folder), cache, attempt=1)
>>> code, differences(cache, undisturbed)
(0, [])
"""

import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 (as are all that a child would have to import)
import sklearn.cluster
import sklearn.datasets  # noqa: F401
import timm
import torch
from safetensors.torch import save_file

from lgm_core import engine  # noqa: F401 (imported once, for all children)
from lgm_core.analysis import comparison, embedding
from lgm_core.base import litter
from lgm_core.base.places import Places
from lgm_core.cli import compute, main
from lgm_core.config import RunConfig
from lgm_core.presets import change, preset
from lgm_core.runs import heart
from tests.faults import strace_points

NAME = "disturbed"
_TINY: dict[str, Any] = {
    "name": NAME, "steps": 10,
    "data": {"train_per_class": 3, "test_per_class": 2, "resize": 224},
    "device": {"threads": 1, "device": "cpu", "precision": "float32"},
    "synthetic": {"resolution": 16}, "pyramid": {"grow_every": 3}, "lgm": {"views": 1, "schedule": "constant"},
    "bank": {"views": 1, "batch": 10}, "live": {"times": 1, "test_images": 10, "steps": 3},
    "probe": {"views": 1, "epochs": 2, "full_views": 1, "full_epochs": 1, "seeds": 1},
    "record": {"frames": 4, "checkpoint_seconds": 0.0, "map_images": 20},
    "embed": {"images": 20, "umap_neighbours": 3, "k": 2},
}  # fmt: skip
_TIMES = {
    "seconds", "step_seconds", "teacher_seconds", "sha256_of_the_rest", "heartbeat", "train_seconds", "test_seconds",
}  # fmt: skip


_NETWORK = """
from torch import nn

def build():
    layers = nn.Conv2d(3, 4, 5, stride=4), nn.Tanh(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 8)
    return nn.Sequential(*layers), {"input_size": 32}
"""


def _distil(folder: Path) -> RunConfig:
    """Two networks with random weights: a tiny one learns, the smallest of timm judges."""
    judge = folder / "small.safetensors"
    if not judge.exists():
        (folder / "tiny.py").write_text(_NETWORK)
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet", num_classes=5).state_dict(), judge)
    networks = {"backbone": f"python:{folder}/tiny.py:build", "evaluate_on": (f"file:{judge}?timm=test_resnet",)}
    return change(RunConfig(dataset="digits"), _TINY, networks)


def _rarely(folder: Path) -> RunConfig:
    """No checkpoint before the last step: what is written meanwhile is asked for by nothing else."""
    return change(_distil(folder), {"record": {"checkpoint_seconds": 1e6}})


def _baseline(folder: Path) -> RunConfig:
    return change(_distil(folder), {"kind": "baseline", "baseline": {"choice": "centroids"}})


def _embed(folder: Path) -> RunConfig:
    return change(_distil(folder), {"kind": "embed", "sources": ("source",), "evaluate_on": ()})


def _rcig(folder: Path) -> RunConfig:
    return preset(
        "rcig_digits", name=NAME, steps=10, evaluate_on=("conv",),
        data={"train_per_class": 10, "test_per_class": 2}, device={"threads": 1, "device": "cpu"},
        rcig={
            "pool": 2, "pool_life": 10, "batch": 32, "inner_rate": 1e-3, "solve_rate": 1e-3,
            "inner_steps": 2, "solve_steps": 2,
        },
        record={"frames": 4, "checkpoint_seconds": 0.0},
        live={"times": 1, "test_images": 20, "steps": 3},
        scratch={"width": 4, "steps": 5, "warmup": 1, "seeds": 1},
    )  # fmt: skip


def _align(folder: Path) -> RunConfig:
    """Both networks, and so few draws that they take no time."""
    config = _distil(folder)
    few = {"permutations": 3, "resamples": 3, "groups": 2}
    return change(config, {"kind": "align", "evaluate_on": (config.backbone, *config.evaluate_on), "align": few})


def _mkdt(folder: Path) -> RunConfig:
    teacher = _distil(folder).backbone
    return preset(
        "mkdt_preview", name=NAME, dataset="digits", steps=6, images_per_class=1,
        evaluate_on=("conv:instance",), label_fraction=(0.5,),
        data={"train_per_class": 6, "test_per_class": 3, "resize": 224},
        device={"threads": 1, "device": "cpu", "precision": "float32"},
        scratch={"resolution": 8, "width": 4}, bank={"batch": 30},
        pretrain={"teacher": teacher, "seeds": 1, "epochs": 2, "steps": 0, "momentum": 0.9, "learning_rate": 0.1},
        mkdt={"experts": 2, "student_steps": 2, "batch": 8, "expert_batch": 40, "initial": "high-loss", "rate": 0.1,
              "target_rate": 1.0},
        live={"times": 1, "test_images": 30, "steps": 3}, record={"frames": 3, "checkpoint_seconds": 0.0},
    )  # fmt: skip


# "bank" is the run of "distil", disturbed in the features of the real images; that one, and "rarely", in all the rest
KINDS: dict[str, Callable[[Path], RunConfig]] = {
    "distil": _distil, "rarely": _rarely, "baseline": _baseline, "bank": _distil, "embed": _embed, "align": _align,
    "rcig": _rcig, "mkdt": _mkdt,
}  # fmt: skip


def is_of(kind: str, path: str) -> bool:
    """Does a point of a kind lie at this path?"""
    in_bank = f"{os.sep}features{os.sep}" in path
    return in_bank if kind == "bank" else not in_bank if kind in ("distil", "rarely") else True


def forked(
    asked: RunConfig | list[str],
    cache: Path,
    attempt: int,
    options: Sequence[str] = (),
    before: Callable[[], None] = lambda: None,
) -> tuple[int, str]:
    """Do a run, or `lgm` with other words, in a child under strace with these options; its exit code and what it said.

    `before`: called in the child before anything else. -9 after a kill.

    Process numbers and clocks that are part of file names are fixed, so that a point is found again.
    """
    said = cache.parent / f"said-{attempt}.txt"
    waiting, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(begin)
        os.read(waiting, 1)
        before()
        _as_command(asked, cache, attempt, said)
    os.close(waiting)
    watcher = strace_points.attach(child, cache.parent / "strace.log", options) if options else None
    os.write(begin, b".")
    os.close(begin)
    _, status = os.waitpid(child, 0)
    if watcher is not None:
        watcher.wait()
    return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")


def _as_command(asked: RunConfig | list[str], cache: Path, attempt: int, said: Path) -> None:
    """What the child does until it ends."""
    code = 70
    try:
        os.environ["LGM_CACHE"] = str(cache)
        for stream in (1, 2):
            os.dup2(os.open(said, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115, PTH123
        sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115, PTH123
        os.getpid = lambda: 10**7 + attempt  # of no process that there is
        threading.get_native_id = lambda: 0  # to the system: the thread that asks
        time.time_ns = lambda: 10**18 + attempt
        embedding.umap_points = lambda features, **settings: features[:, :2].float()  # UMAP compiles for ten seconds
        comparison.aligned_umap = lambda features, **settings: torch.stack([part[:, :2].float() for part in features])
        heart.HEARTBEAT_SECONDS = 1e6
        litter._LEFT_AFTER = -1.0  # as a day later
        if isinstance(asked, RunConfig):
            main.VERBS["disturbed"] = lambda words: compute.start_and_work([asked], "")
        code = main.main(asked if isinstance(asked, list) else ["disturbed"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def next_run(cache: Path) -> None:
    """What the next run begins with, whatever it is, a day later: a command whose run is finished is none."""
    for folder in Places(cache=cache, weights=(), datasets=()).written_by_any:
        for left in litter._half_written(folder):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def differences(cache: Path, wanted: Path) -> list[str]:
    """What differs from the undisturbed cache: files that lack or are too many, and contents but for times."""
    here, there = _files(cache), _files(wanted)
    found = [f"litter: {name}" for name in sorted(here - there)] + [f"lacks {name}" for name in sorted(there - here)]
    return found + [
        f"{name} differs" for name in sorted(here & there) if _content(cache / name) != _content(wanted / name)
    ]


def _files(cache: Path) -> set[str]:
    """But for what each writer makes anew: locks, and the claim, whose number tells how many there were."""
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.suffix not in (".lock", ".claim")}


def _content(path: Path) -> Any:
    """What of a file must be the same in each run that ends well."""
    if path.is_dir() or path.parent.name in ("index", "estimates", "slots") or path.name == "log.txt":
        return None
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".json":
        values = json.loads(path.read_text())
        if path.name == "status.json":
            return values["state"], values["step"]
        return _timeless(values.get("config", values))
    return path.read_bytes()


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _TIMES}
