"""Verbs that compute, in the foreground, with a progress bar; the same command goes on where it stopped.

>>> distill(["scenes", "mobilenet_v2", "--steps", "250"])
0
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from lgm_core.base.errors import UserError
from lgm_core.base.knobs import from_dict, knob, to_dict
from lgm_core.base.names import file_name, load
from lgm_core.base.places import places
from lgm_core.cli.clustering import send_off
from lgm_core.cli.console import progress_bar
from lgm_core.cli.flags import parse_changes, parse_run, parse_with
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig, validate
from lgm_core.datasets.catalog import find_row
from lgm_core.evaluation.catalog import HEADLINE
from lgm_core.jobs.local import require_ended_badly
from lgm_core.jobs.sending import ClusterFlags, require_cluster
from lgm_core.jobs.signals import soft_signals
from lgm_core.jobs.worker import on_device
from lgm_core.methods.catalog import METHODS
from lgm_core.presets import change, preset
from lgm_core.runs.identity import judged_like
from lgm_core.runs.start import is_done, settings_of_source, start_all
from lgm_core.runs.store import RunFolder, RunStore


@dataclass(frozen=True, kw_only=True)
class DistillFlags(ClusterFlags):
    """What a distillation is asked beyond its config."""

    minutes: float = knob(
        0.0, "choose the number of steps so that the run takes about this long, by the estimate; 0: use --steps",
        low=0, unit="min",
    )  # fmt: skip


Names = Annotated[tuple[str, ...], tyro.conf.Positional]
Name = Annotated[str, tyro.conf.Positional]


def distill(arguments: Sequence[str]) -> int:
    """Learn synthetic images: lgm distill DATASET BACKBONE [settings] [--minutes N instead of --steps]."""
    config, flags = parse_with(arguments, prog="lgm distill", positional=("dataset", "backbone"), extra=DistillFlags())
    asked = from_dict(DistillFlags, flags)
    if minutes := asked.minutes:
        from lgm_core.jobs.duration import steps_within

        if any(word.split("=")[0] == "--steps" for word in arguments):
            raise UserError("--minutes and --steps both set the number of steps: give one of them")
        config = replace(config, steps=steps_within(config, minutes, places(), partial(print, file=sys.stderr)))
    return _start_and_work([config], asked.cluster)


def baseline(arguments: Sequence[str]) -> int:
    """Choose real images: lgm baseline random|centroids|greedy|full|... DATASET BACKBONE, neighbours --source RUN."""
    words = list(arguments)
    choice = words.pop(0) if words and not words[0].startswith("-") else "random"
    fixed: dict[str, Any] = {"kind": "baseline", "baseline": {"choice": choice}}
    if choice == "neighbours" and (source := _value_of("--source", words)):
        fixed |= settings_of_source(RunStore(places().runs).open(source))
    config, cluster = parse_run(words, prog=f"lgm baseline {choice}", positional=("dataset", "backbone"), **fixed)
    return _start_and_work([config], cluster)


def evaluate(arguments: Sequence[str]) -> int:
    """Judge the images of a run or folder on networks: lgm evaluate RUN|folder:PATH NETWORK [...] [settings].

    --like OTHER: with the settings by which the run OTHER is judged, so that one table holds both.
    --cluster ADDRESS: on a cluster, as `lgm distill --help` says.
    """

    def read(run: Name, backbones: Names) -> tuple[str, tuple[str, ...]]:
        return run, backbones

    words = list(arguments)
    end = next((i for i, word in enumerate(words) if word.startswith("--") and word != "--help"), len(words))
    name, backbones = tyro.cli(read, args=words[:end], prog="lgm evaluate", description=evaluate.__doc__)
    if name.startswith("folder:"):
        config, cluster = _of_folder(name.removeprefix("folder:"), backbones, words[end:])
        return _start_and_work([config], cluster)
    source = RunStore(places().runs).open(name)
    base, flags = replace(source.config(), name="", protocol=HEADLINE), words[end:]
    if other := _value_of("--like", flags):
        base, flags = judged_like(base, RunStore(places().runs).open(other).config()), _without("--like", flags)
    base, cluster = parse_changes(flags, prog=f"lgm evaluate {source.id}", base=base)
    settings = {"kind": "evaluate", "source": source.id, "evaluate_on": backbones}
    return _start_and_work([change(base, settings)], cluster) or show_run(source.id)


def _of_folder(path: str, networks: Sequence[str], words: Sequence[str]) -> tuple[RunConfig, str]:
    """The run that takes up a folder of class folders, named by its images too, and the cluster that it is sent to."""
    from lgm_core.datasets.given import count_and_digest

    folder = Path(path).expanduser().resolve()
    count, digest = count_and_digest(folder)
    given = {"choice": "given", "folder": str(folder)}
    config, cluster = parse_run(
        words, prog=f"lgm evaluate folder:{path} NETWORK", positional=(), kind="baseline", baseline=given
    )
    if not any(word.split("=")[0] == "--dataset" for word in words):
        raise UserError("which data set are the images from? lgm evaluate folder:PATH NETWORK [...] --dataset DATASET")
    per_class = max(count // (find_row(config.dataset).classes or count), 1)
    name = config.name or f"given-{file_name(folder.name)}-{digest}-{file_name(config.dataset)}"
    return change(config, {"name": name, "evaluate_on": networks, "images_per_class": per_class}), cluster


def import_(arguments: Sequence[str]) -> int:
    """Import a published set as a run: lgm import FILE DATASET [settings]; MKDT and KRR-ST: the folder of its files."""
    words = list(arguments)
    if {"-h", "--help"} & set(words):
        parse_run(["--help"], prog="lgm import FILE", positional=("dataset",))
    if len(words) < 2 or words[0].startswith("-") or words[1].startswith("-"):
        raise UserError("lgm import takes a checkpoint and a data set: lgm import FILE DATASET [settings]")
    file = Path(words[0]).expanduser().resolve()
    folder = file.is_dir() or file.suffix == ".pt"  # so are sets with targets published; one with labels is one file
    row = next(row for row in METHODS.values() if row.importer and (row.exports == "targets") == folder)
    found = load(row.importer)(file, words[1], find_row(words[1]).classes)
    given = [*words[2:]] if "--preset" in words else ["--preset", found.preset, *words[2:]]
    words = [words[1], found.network, *given]
    config, cluster = parse_run(words, prog="lgm import FILE", positional=("dataset", "backbone"))
    asked = any(word.split("=")[0] == "--steps" for word in words)
    if asked and config.steps < found.steps:
        raise UserError(f"{file.name} was learned for {found.steps} steps; give more --steps to continue, or none")
    steps = config.steps if asked else found.steps or config.steps
    return _start_and_work([change(config, {"method": row.name, "steps": steps}, found.settings)], cluster)


def embed(arguments: Sequence[str]) -> int:
    """Map a data set with a backbone, and runs' images on it: lgm embed DATASET BACKBONE --sources RUN [RUN ...]."""
    config, cluster = parse_run(arguments, prog="lgm embed", positional=("dataset", "backbone"), kind="embed")
    store = RunStore(places().runs)
    return _start_and_work([replace(config, sources=tuple(store.open(name).id for name in config.sources))], cluster)


def align(arguments: Sequence[str]) -> int:
    """Compare how backbones see a data set: lgm align DATASET --evaluate-on BACKBONE BACKBONE [BACKBONE ...]."""
    config, cluster = parse_run(arguments, prog="lgm align", positional=("dataset",), kind="align")
    return _start_and_work([config], cluster)


def disagree(arguments: Sequence[str]) -> int:
    """Show where backbones disagree on a data set: lgm disagree DATASET BACKBONE BACKBONE [BACKBONE ...] [settings]."""
    config, cluster = parse_run(arguments, prog="lgm disagree", positional=("dataset", "evaluate_on"), kind="align")
    return _start_and_work([config], cluster)


def study(arguments: Sequence[str]) -> int:
    """Several backbones, all baselines, one table: lgm study NAME DATASET --distil-with A B --evaluate-on A B C."""
    from lgm_core.jobs.study import StudyFlags, plan_study

    config, flags = parse_with(arguments, prog="lgm study", positional=("name", "dataset"), extra=StudyFlags())
    asked = StudyFlags(**flags)
    given = {word.split("=")[0].replace("_", "-") for word in arguments}
    if asked.distil_with and "--evaluate-on" not in given:  # what the preset judges with is said of its own network
        others = [name for given in asked.distil_with for name in replace(config, backbone=given).networks()]
        own = [name.replace(config.backbone, other, 1) for other in others for name in config.evaluate_on]
        config = replace(config, evaluate_on=tuple(dict.fromkeys(own)))
    return _start_and_work(plan_study(config, asked), asked.cluster) or show_run(config.name)


def fork(arguments: Sequence[str]) -> int:
    """Start a run from a step of another, with other settings: lgm fork RUN STEP [settings]."""
    from lgm_core.jobs.forking import prepare_forks

    words = list(arguments)
    if {"-h", "--help"} & set(words):
        parse_changes(["--help"], prog="lgm fork RUN STEP", base=preset("standard"))
    if len(words) < 2 or not words[1].isdigit():
        raise UserError("lgm fork takes a run and a step that has a frame: lgm fork RUN STEP [settings]")
    source = RunStore(places().runs).open(words[0])
    base = replace(source.config(), name="", study="")
    config, cluster = parse_changes(words[2:], prog=f"lgm fork {source.id} {words[1]}", base=base)
    return _work(prepare_forks(source, int(words[1]) - 1, to_dict(config), places()), cluster)


def resume(arguments: Sequence[str]) -> int:
    """Continue a run that was stopped, killed or failed: lgm resume RUN [--cluster ADDRESS]."""
    run, cluster = _known_run(arguments, "lgm resume", resume.__doc__)
    return _work([run], cluster)


def retry(arguments: Sequence[str]) -> int:
    """Try a failed or lost run again from its last checkpoint: lgm retry RUN [--cluster ADDRESS]."""
    run, cluster = _known_run(arguments, "lgm retry", retry.__doc__)
    require_ended_badly(run)
    return _work([run], cluster)


def _known_run(arguments: Sequence[str], prog: str, words: str | None) -> tuple[RunFolder, str]:
    def read(run: Name, flags: Annotated[ClusterFlags, tyro.conf.OmitArgPrefixes]) -> tuple[str, str]:
        return run, flags.cluster

    name, cluster = tyro.cli(read, args=list(arguments), prog=prog, description=words)
    return RunStore(places().runs).open(name), cluster


def _value_of(flag: str, words: Sequence[str]) -> str:
    """What a flag is given on the command line, "" where it is not."""
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word == flag or word.startswith(f"{flag}="):
            return following if word == flag else word.partition("=")[2]
    return ""


def _without(flag: str, words: Sequence[str]) -> list[str]:
    """The words without a flag and what it is given."""
    place = next(place for place, word in enumerate(words) if word.split("=")[0] == flag)
    return [*words[:place], *words[place + (1 if "=" in words[place] else 2) :]]


def _start_and_work(configs: Sequence[RunConfig], cluster: str) -> int:
    """Start the runs of these configs, and do them one by one, in the foreground, or send them; returns the code."""
    require_cluster(cluster)
    for config in configs:  # a wrong name of a later run is said before the first one's folder is made
        validate(config)
    runs = [run for config in configs for run in start_all(config, places())]
    return _work(runs, cluster) or (show_run(runs[0].id) if len(configs) == 1 < len(runs) and not cluster else 0)


def _work(runs: Sequence[RunFolder], cluster: str) -> int:
    """Every verb that makes runs, or continues them, comes here."""
    if cluster:
        return send_off(runs, cluster)
    with soft_signals() as (stop, code):
        for place, run in enumerate(runs, start=1):
            prefix = f"[{place}/{len(runs)}] {run.id}: " if len(runs) > 1 else ""
            if is_done(run):
                print(f"{prefix or run.id + ': '}already finished: {run.path}", file=sys.stderr)
                continue
            with progress_bar(prefix) as listener:
                waits = partial(print, f"{run.id}:", file=sys.stderr)
                state = on_device(run, places(), listener, stop, waits)
            print(f"{prefix or run.id + ': '}{state}: {run.path}", file=sys.stderr)
            if stop.is_set():
                print("the same command, or `lgm resume`, continues from here", file=sys.stderr)
                return code[0]
    return show_run(runs[0].id) if len(runs) == 1 else 0
