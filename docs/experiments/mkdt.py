"""What docs/mkdt.md and docs/results.md say of MKDT's sets, as Markdown: python docs/experiments/mkdt.py WHAT

results   draws of images, experts and set with each of several teachers: small networks trained here, and backbones of
          the catalogue; in pieces, as in `results --size preview --teacher dinov2_vits14 --seed 0 1`
cifar10   the preset mkdt_preview against choices of real images, all of them and none, by share of labels
updates   the same sets, pre-trained on for more steps
settings  other settings of the distillation: rates, number of images, a longer way of the student
teachers  the same with targets of another backbone
cost      a step beside as many plain training steps, and its memory, by mkdt.segment; on a GPU at the paper's size too
memory    the peak at the paper's size, by the number of steps that are held at once (mkdt.segment)
paper     the paper's size on CIFAR-10, with a teacher of the catalogue: for a GPU

Runs that are there already, finished, are not done again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import torch

from lgm_core.base.device import peak_memory
from lgm_core.base.places import places
from lgm_core.config import RunConfig
from lgm_core.engine import work
from lgm_core.evaluation.protocol import key_of_report, keys_of
from lgm_core.methods.catalog import own_settings
from lgm_core.methods.mkdt.experts import regression_loss
from lgm_core.methods.mkdt.measure import noisy_mkdt
from lgm_core.presets import change, preset
from lgm_core.runs.source_runs import read_set
from lgm_core.runs.store import RunFolder, RunStore

Shares = Mapping[float, Mapping[str, Any]]  # reports by share of the labels

FRACTIONS = (0.01, 0.05, 0.1, 0.5)
CHOICES = ("none", "random", "high-loss", "full")
# what `results` changes in the preview
SIZES: dict[str, dict[str, Any]] = {
    "preview": {},  # 5,000 training and 2,000 test images, 4 experts, 300 steps
    "small": {
        "data": {"train_per_class": 200, "test_per_class": 100}, "mkdt": {"experts": 3}, "live": {"times": 0},
        "steps": 100, "pretrain": {"teacher_steps": 300},
    },
}  # fmt: skip
TEACHERS: dict[str, dict[str, Any]] = {
    "mobilenet_v3_small": {},
    "conv:batch": {"pretrain": {"teacher": "conv:batch"}},
    "conv:batch, rate 0.3": {"pretrain": {"teacher": "conv:batch", "learning_rate": 0.3}, "mkdt": {"rate": 0.3}},
    "dinov2_vits14": {"pretrain": {"teacher": "dinov2_vits14"}},
    "clip_vitb16": {"pretrain": {"teacher": "clip_vitb16"}},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "as mkdt_preview": {},
    "images from the hardest": {"mkdt": {"initial": "high-loss"}},
    "step size 0.1": {"mkdt": {"rate": 0.1}},
    "image rate 10,000": {"mkdt": {"image_rate": 10_000.0}},
    "targets fixed": {"mkdt": {"target_rate": 0.0}},
    "target rate 1, the paper's": {"mkdt": {"target_rate": 1.0}},
    "step size learned faster": {"mkdt": {"rate_rate": 1e-3}},
    "200 images": {"images_per_class": 20},
    "two epochs of the expert, 20 steps": {"mkdt": {"expert_epochs": 2, "student_steps": 20}},
}


def results(size: str, teachers: Sequence[str], seeds: Sequence[int]) -> None:
    """Mean and spread over draws (seeds): of images, experts and set. All runs first, so that it resumes."""
    found: dict[str, dict[str, list[Shares]]] = {teacher: {} for teacher in teachers}
    for seed in seeds:
        for teacher in teachers:
            for name, make in _sets(of_piece(size, teacher, seed)).items():
                print(f"{size}, {teacher}, seed {seed}: {name}", file=sys.stderr, flush=True)
                found[teacher].setdefault(name, []).append(make()[1])
    for teacher, shares in found.items():
        print(f"\nteacher {teacher}, {size}, seeds {', '.join(map(str, seeds))}\n")
        _head("pre-trained on", "images")
        for name, of_draws in shares.items():
            cells = [_mean_and_spread([one[share]["top1"] for one in of_draws]) for share in FRACTIONS]
            print(f"| {name} | {' | '.join(cells)} | {of_draws[0][FRACTIONS[0]]['train_images']:,} |", flush=True)
        pairs = list(zip(shares["MKDT"], shares["random"], strict=True))
        gains = [[100 * (ours[s]["top1"] - theirs[s]["top1"]) for ours, theirs in pairs] for s in FRACTIONS]
        words = [", ".join(f"{gain:+.1f}" for gain in of_draws) for of_draws in gains]
        print(f"| MKDT less random, draw by draw | {' | '.join(words)} | |", flush=True)


def cifar10() -> None:
    """One draw of images, three networks each."""
    _table(_preview())


def updates() -> None:
    """How many steps a network is pre-trained for."""
    for steps, momentum, rate in ((10, 0.0, 1.0), (20, 0.0, 1.0), (80, 0.9, 0.1), (400, 0.9, 0.1)):
        print(f"\n{steps} steps of 25 images at a rate of {rate}, momentum {momentum}\n")
        judged = {"steps": steps, "momentum": momentum, "learning_rate": rate, "learned_rate": False}
        _table(_preview(pretrain=judged))


def teachers() -> None:
    """Targets of the other small backbones of the catalogue."""
    for teacher in ("mobilenet_v3_small", "dinov2_vits14"):
        print(f"\ntargets of {teacher}\n")
        _table(_preview(pretrain={"teacher": teacher}))


def settings() -> None:
    """MKDT alone, one setting changed at a time."""
    _head("MKDT", "last loss", "step size")
    for name, changes in SETTINGS.items():
        run, shares = _done(_preview(**changes))
        loss = sum(line["loss"] for line in run.metrics()[-20:]) / 20
        print(f"| {name} | {_cells(shares)} | {loss:.3f} | {float(read_set(run).rate):.4f} |", flush=True)  # type: ignore[union-attr]


def paper() -> None:
    """1,000 images of CIFAR-10 and the paper's network, 20 experts, with a backbone of the catalogue as teacher."""
    mkdt = {"experts": 20}
    _table(preset("mkdt_cifar10_2", pretrain={"teacher": "dinov2_vits14", "scale": "unit"}, mkdt=mkdt))


def cost() -> None:
    """Noise of the run's own size; the quickest of three, each after one that is not timed."""
    print("| width | steps x images | segment | step, s | plain steps, s | ratio | peak memory, GB |")
    print("|" + "---|" * 7)
    small = [_preview(scratch={"width": w}, mkdt={"batch": 25, "segment": s}) for w in (32, 128) for s in (1, 5, 0)]
    paper = [preset("mkdt_cifar10_2", mkdt={"segment": s}) for s in (10, 0)] if torch.cuda.is_available() else []
    for config in (*small, *paper):  # on a CPU, memory is the most so far
        width, mkdt = config.scratch.width, config.mkdt
        took, plain, memory = _timed(config)
        words = f"| {width} | {mkdt.student_steps} x {mkdt.batch} | {mkdt.segment or 'all'} | {took:.2f} | {plain:.2f} "
        print(f"{words}| {took / plain:.1f} | {memory / 1e9:.2f} |", flush=True)


def memory() -> None:
    """Of one segment; a process each, as the memory of a process is the most so far."""
    print("| steps held | peak memory, GB |\n|---|---|")
    for segment in (1, 2, 4, 10):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            print(f"| {segment} | {pool.submit(_peak, segment).result() / 1e9:.2f} |", flush=True)


def _peak(segment: int) -> int:
    config = preset("mkdt_cifar10_2", mkdt={"segment": segment, "student_steps": segment})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        noisy_mkdt(own_settings(config), config, 10, device, Path(folder))[0].step(0)
    return peak_memory(device)


def _timed(config: RunConfig) -> tuple[float, float, int]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        mkdt, student = noisy_mkdt(own_settings(config), config, 10, device, Path(folder))
        flat = mkdt._store.snapshot(0, 0).requires_grad_()

        def plain(step: int) -> None:
            for rows in mkdt.chunks(step):
                loss = regression_loss(student, flat, mkdt.learned.pixels[rows], mkdt.learned.targets[rows])
                torch.autograd.grad(loss, flat)[0].sum().item()

        ours, bare = [], []
        for turn in range(4):
            for times, run in ((ours, mkdt.step), (bare, plain)):
                began = time.perf_counter()
                run(turn)
                times.append(time.perf_counter() - began)
    return min(ours[1:]), min(bare[1:]), peak_memory(device)


def of_piece(size: str, teacher: str, seed: int) -> RunConfig:
    """MKDT in one piece of `results`; its baselines differ in kind alone."""
    return change(_preview(seed=seed), SIZES[size], TEACHERS[teacher])


def _preview(**changes: Any) -> RunConfig:
    return change(preset("mkdt_preview", label_fraction=FRACTIONS), changes)


def _table(config: RunConfig) -> None:
    _head("pre-trained on", "images")
    for name, make in _sets(config).items():
        shares = make()[1]
        print(f"| {name} | {_cells(shares)} | {shares[FRACTIONS[0]]['train_images']:,} |", flush=True)


def _sets(config: RunConfig) -> Mapping[str, Callable[[], tuple[RunFolder, Shares]]]:
    """What MKDT is compared with, and MKDT."""
    choices = {c: change(config, {"kind": "baseline", "baseline": {"choice": c}}) for c in CHOICES}
    return {name: partial(_done, one) for name, one in {**choices, "MKDT": config}.items()}


def _head(*names: str) -> None:
    heads = [names[0], *(f"{100 * share:g} % of labels" for share in FRACTIONS), *names[1:]]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)


def _cells(shares: Shares) -> str:
    """Mean and spread over networks, in %."""
    return " | ".join(f"{100 * shares[s]['top1']:.1f} ± {100 * shares[s]['top1_std']:.1f}" for s in FRACTIONS)


def _mean_and_spread(values: Sequence[float]) -> str:
    return f"{100 * fmean(values):.1f} ± {100 * pstdev(values):.1f}"


def _done(config: RunConfig) -> tuple[RunFolder, Shares]:
    """The finished run of a config, and how it is judged as the config asks: by itself, or by a further run."""
    from lgm_core.runs.start import start_all

    made = start_all(config, places())
    for run in made:
        if run.status().state != "finished" and work(run, places()) != "finished":
            raise SystemExit(run.log_tail())
    asked = {key.digest for key in keys_of(config)}
    return made[0], {
        report["fraction"]: report
        for run in (*made, *RunStore(places().runs).evaluations(made[0].id))
        for report in run.eval_reports()
        if key_of_report(report, run.config()).digest in asked
    }


def _asked(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["results", *PARTS], metavar="WHAT", help="one of those above")
    parser.add_argument("--size", choices=SIZES, default="small", help="of results")
    parser.add_argument("--teacher", nargs="+", choices=TEACHERS, default=list(TEACHERS), help="of results")
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2], help="draws of results")
    return parser.parse_args(words)


PARTS = {part.__name__: part for part in (cifar10, updates, settings, teachers, cost, memory, paper)}

if __name__ == "__main__":
    asked = _asked()
    for what in asked.what:
        print(f"\n## {what}\n", flush=True)
        if what == "results":
            results(asked.size, asked.teacher, asked.seed)
        else:
            PARTS[what]()
