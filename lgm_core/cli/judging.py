"""The verb `evaluate`: the images of a run, or of a folder, judged on further networks.

>>> evaluate(["first", "clip_vitb16", "--protocol", "converged"])
0
"""

from collections.abc import Sequence
from dataclasses import replace
from inspect import getdoc
from pathlib import Path
from typing import Annotated

import tyro

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.names import file_name
from lgm_core.base.places import places
from lgm_core.cli import compute
from lgm_core.cli.compute import Name, value_of
from lgm_core.cli.flags import parse_changes, parse_run
from lgm_core.config import RunConfig
from lgm_core.datasets.catalog import find_row
from lgm_core.evaluation.catalog import HEADLINE
from lgm_core.presets import change, preset
from lgm_core.runs.identity import judged_like
from lgm_core.runs.store import RunStore

Names = Annotated[tuple[str, ...], tyro.conf.Positional]


def evaluate(arguments: Sequence[str]) -> int:
    """Judge the images of a run or folder on networks: lgm evaluate RUN|folder:PATH NETWORK [...] [settings].

    --like OTHER: with the settings by which the run OTHER is judged, so that one table holds both.
    --cluster ADDRESS: on a cluster, as `lgm distill --help` says.
    """

    def read(run: Name, backbones: Names) -> tuple[str, tuple[str, ...]]:
        return run, backbones

    words = list(arguments)
    if {"-h", "--help"} & set(words):
        return _explain(words)
    end = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    name, backbones = tyro.cli(read, args=words[:end], prog="lgm evaluate", description=evaluate.__doc__)
    if name.startswith("folder:"):
        config, cluster = _of_folder(name.removeprefix("folder:"), backbones, words[end:])
        return compute.start_and_work([config], cluster)
    source = RunStore(places().runs).open(name)
    base, flags = replace(source.config(), name="", protocol=HEADLINE), words[end:]
    if other := value_of("--like", flags):
        base, flags = judged_like(base, RunStore(places().runs).open(other).config()), _without("--like", flags)
    base, cluster = parse_changes(flags, prog=f"lgm evaluate {source.id}", base=base)
    settings = {"kind": "evaluate", "source": source.id, "evaluate_on": backbones}
    return compute.start_and_work([change(base, settings)], cluster) or compute.show_run(source.id)


def _explain(words: Sequence[str]) -> int:
    """Print what can be set, with the defaults of the run that is named, where it is there."""
    given = next((word for word in words if not word.startswith(("-", "folder:"))), "")
    source = result_or_why(lambda: RunStore(places().runs).open(given))[0] if given else None
    base = replace(source.config(), name="", protocol=HEADLINE) if source else preset("standard")
    prog = f"lgm evaluate {source.id if source else 'RUN|folder:PATH'} NETWORK [...]"
    defaults = f"of {source.id}, but for the protocol" if source else "of 'standard'; a run is judged with its own"
    said = f"{getdoc(evaluate)}\n\nShown defaults are those {defaults}."
    parse_changes(["--help"], prog=prog, base=base, words=said)
    return 0


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


def _without(flag: str, words: Sequence[str]) -> list[str]:
    """The words without a flag and what it is given."""
    place = next(place for place, word in enumerate(words) if word.split("=")[0] == flag)
    return [*words[:place], *words[place + (1 if "=" in words[place] else 2) :]]
