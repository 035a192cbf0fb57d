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
from lgm_core.base.names import load
from lgm_core.base.places import places
from lgm_core.cli.flags import parse_changes, parse_run, parse_with
from lgm_core.cli.foreground import work
from lgm_core.cli.look import show_run
from lgm_core.config import RunConfig, validate
from lgm_core.datasets.catalog import find_row
from lgm_core.jobs.local import require_ended_badly
from lgm_core.jobs.sending import ClusterFlags, require_cluster
from lgm_core.jobs.slots import require_device
from lgm_core.jobs.tickets import sources_of
from lgm_core.methods.catalog import METHODS
from lgm_core.presets import change, preset
from lgm_core.runs.start import settings_of_source, start_all
from lgm_core.runs.store import RunFolder, RunStore


@dataclass(frozen=True, kw_only=True)
class DistillFlags(ClusterFlags):
    """What a distillation is asked beyond its config."""

    minutes: float = knob(
        0.0, "choose the number of steps so that the run takes about this long, by the estimate; 0: use --steps",
        low=0, unit="min",
    )  # fmt: skip


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
    return start_and_work([config], asked.cluster)


def baseline(arguments: Sequence[str]) -> int:
    """Choose real images: lgm baseline random|centroids|greedy|full|... DATASET BACKBONE, neighbours --source RUN."""
    words = list(arguments)
    choice = words.pop(0) if words and not words[0].startswith("-") else "random"
    fixed: dict[str, Any] = {"kind": "baseline", "baseline": {"choice": choice}}
    if choice == "neighbours" and (source := value_of("--source", words)):
        fixed |= settings_of_source(RunStore(places().runs).open(source))
    config, cluster = parse_run(words, prog=f"lgm baseline {choice}", positional=("dataset", "backbone"), **fixed)
    return start_and_work([config], cluster)


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
    return start_and_work([change(config, {"method": row.name, "steps": steps}, found.settings)], cluster)


def embed(arguments: Sequence[str]) -> int:
    """Map a data set with a backbone, and runs' images on it: lgm embed DATASET BACKBONE --sources RUN [RUN ...]."""
    config, cluster = parse_run(arguments, prog="lgm embed", positional=("dataset", "backbone"), kind="embed")
    store = RunStore(places().runs)
    return start_and_work([replace(config, sources=tuple(store.open(name).id for name in config.sources))], cluster)


def align(arguments: Sequence[str]) -> int:
    """Compare how backbones see a data set: lgm align DATASET --evaluate-on BACKBONE BACKBONE [BACKBONE ...]."""
    config, cluster = parse_run(arguments, prog="lgm align", positional=("dataset",), kind="align")
    return start_and_work([config], cluster)


def disagree(arguments: Sequence[str]) -> int:
    """Show where backbones disagree on a data set: lgm disagree DATASET BACKBONE BACKBONE [BACKBONE ...] [settings]."""
    config, cluster = parse_run(arguments, prog="lgm disagree", positional=("dataset", "evaluate_on"), kind="align")
    return start_and_work([config], cluster)


def study(arguments: Sequence[str]) -> int:
    """Several backbones, all baselines, one table: lgm study NAME DATASET --distil-with A B --evaluate-on A B C."""
    from lgm_core.jobs.study import StudyFlags, plan_study

    config, flags = parse_with(arguments, prog="lgm study", positional=("name", "dataset"), extra=StudyFlags())
    asked = StudyFlags(**flags)
    given = {word.split("=")[0].replace("_", "-") for word in arguments}
    if config.name and not given & {"--distil-with", "--preset", "--backbone"}:
        raise UserError("which backbones? lgm study NAME DATASET --distil-with BACKBONE [BACKBONE ...]")
    if asked.distil_with and "--evaluate-on" not in given:  # what the preset judges with is said of its own network
        others = [name for given in asked.distil_with for name in replace(config, backbone=given).networks()]
        own = [name.replace(config.backbone, other, 1) for other in others for name in config.evaluate_on]
        config = replace(config, evaluate_on=tuple(dict.fromkeys(own)))
    return shown(start_and_work(plan_study(config, asked), asked.cluster), config.name)


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
    return work(prepare_forks(source, int(words[1]) - 1, to_dict(config), places()), cluster)


def resume(arguments: Sequence[str]) -> int:
    """Continue a run that was stopped, killed or failed, or a study: lgm resume RUN|STUDY [--cluster ADDRESS]."""
    runs, cluster = _known_runs(arguments, "lgm resume", resume.__doc__)
    return work(runs, cluster)


def retry(arguments: Sequence[str]) -> int:
    """Try failed or lost runs again from their last checkpoint: lgm retry RUN|STUDY [--cluster ADDRESS]."""
    runs, cluster = _known_runs(arguments, "lgm retry", retry.__doc__)
    again = [run for run in runs if run.status().state in ("failed", "lost")]
    if not again:
        require_ended_badly(runs[0])
    return work(again, cluster)


def _known_runs(arguments: Sequence[str], prog: str, words: str | None) -> tuple[list[RunFolder], str]:
    """A run, or all of a study, those first that others look at; and the cluster."""

    def read(name: Name, flags: Annotated[ClusterFlags, tyro.conf.OmitArgPrefixes]) -> tuple[str, str]:
        return name, flags.cluster

    name, cluster = tyro.cli(read, args=list(arguments), prog=prog, description=words)
    return sorted(RunStore(places().runs).named(name), key=lambda run: bool(sources_of(run))), cluster


def value_of(flag: str, words: Sequence[str]) -> str:
    """What a flag is given on the command line, "" where it is not."""
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word == flag or word.startswith(f"{flag}="):
            return following if word == flag else word.partition("=")[2]
    return ""


def shown(code: int, study: str) -> int:
    """Print the table of a study that has ended with this exit code, also where runs of it failed; returns the code."""
    if code in (0, 1):
        show_run(study)
    return code


def start_and_work(configs: Sequence[RunConfig], cluster: str) -> int:
    """Start the runs of these configs, and do them one by one, in the foreground, or send them; returns the code."""
    require_cluster(cluster)
    for config in configs:  # a wrong name of a later run is said before the first one's folder is made
        validate(config)
        if not cluster:
            require_device(config.device.device)
    runs = [run for config in configs for run in start_all(config, places())]
    return work(runs, cluster) or (show_run(runs[0].id) if len(configs) == 1 < len(runs) and not cluster else 0)
