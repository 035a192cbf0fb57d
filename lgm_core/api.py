"""The engine from Python, in three lines.

>>> import lgm_core
>>> run = lgm_core.distill("scenes", "mobilenet_v2", steps=200, evaluate_on=["mobilenet_v2"], lgm={"views": 3})
>>> run.images, run.labels, run.accuracies()  # [16, 3, 256, 256] in [0, 1], [16], a table
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lgm_core.base.errors import UserError
from lgm_core.base.places import places
from lgm_core.cli.console import progress_bar
from lgm_core.config import RunConfig
from lgm_core.engine import images_of
from lgm_core.evaluation.catalog import HEADLINE
from lgm_core.jobs.effort import effort_changes
from lgm_core.jobs.forking import prepare_forks
from lgm_core.jobs.worker import on_device
from lgm_core.presets import change
from lgm_core.presets import preset as preset_config
from lgm_core.reports.unseen import reports_of
from lgm_core.runs.start import is_done, settings_of_source, start_all
from lgm_core.runs.store import RunFolder, RunStore

if TYPE_CHECKING:
    import pandas


class Run:
    """A run on disk, with its results as tensors and tables."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        return self.folder.id

    @property
    def state(self) -> str:
        """One of `runs.store.STATES`."""
        return self.folder.status().state

    @property
    def config(self) -> RunConfig:
        return self.folder.config()

    @property
    def images(self) -> Tensor:
        """[N, 3, R, R], float32 in [0, 1]."""
        return self._result()[0]

    @property
    def labels(self) -> Tensor:
        """[N], int64."""
        return self._result()[1]

    def metrics(self) -> "pandas.DataFrame":
        """One row per logged step: loss, learning_rate, step_seconds, and live:NETWORK where it was judged."""
        import pandas

        return pandas.DataFrame(self.folder.metrics())

    def accuracies(self) -> "pandas.DataFrame":
        """A row per evaluation of its images, in this run or a later one; top1, top5 and worst_group in [0, 1].

        The first row is what the run is known by on the pages.
        """
        import pandas

        columns = ["backbone", "protocol", "dataset", "train_images", "top1", "top1_std", "top5", "worst_group"]
        runs = [self.folder, *RunStore(self.folder.path.parent).evaluations(self.id)]
        return pandas.DataFrame([report for run in runs for report in reports_of(run)], columns=columns)

    def findings(self) -> dict[str, Any]:
        """What an instrument found (`layers`, `backbone_card`, `patches`, `style`); {} of other runs."""
        return self.folder.findings()

    def _result(self) -> tuple[Tensor, Tensor]:
        if not self.folder.synthetic.exists():
            raise UserError(f"the run {self.id!r} is {self.state} and has no images yet")
        return images_of(self.folder)

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.state})"


def distill(
    dataset: str, backbone: str, *, preset: str = "", effort: str = "", progress: bool = True, **settings: Any
) -> Run:
    """Distil a data set and wait for it; the same call again goes on with, or opens, the same run.

    `backbone`: "A+B" learns one set in both. `preset` (default "standard") or `effort` ("quick", "normal", "long") says
    where to start from; `settings` are those of `RunConfig`, groups as dicts, and win over both. Raises `UserError` for
    wrong names and values.
    """
    if preset and effort:
        raise UserError(f"effort={effort!r} and preset={preset!r} both say where to start from: give one of them")
    config = preset_config(preset or "standard", dataset=dataset, backbone=backbone, **settings)
    if effort:
        config = change(config, effort_changes(config, effort), settings)
    return _do(config, progress)


def baseline(choice: str, dataset: str = "", backbone: str = "", *, progress: bool = True, **settings: Any) -> Run:
    """Choose real images, `images_per_class` of each, and judge them. `choice` is one of:

    - "random"; by the features of a backbone, or of several, "A+B": "centroids", "herding", "k-centres", "best-random",
      "greedy", "neighbours" of a `source` run; "high-loss", those hardest for networks that learn a teacher's targets
    - "indices", of baseline={"indices": FILE}; "given" and "imported", those in baseline={"folder": PATH}; "full", all
    - "none", which judges networks without pre-training

    Neighbours take data set and backbone from their source. Raises `UserError` where others are given, and where
    another choice is given none.
    """
    given = {name: value for name, value in (("dataset", dataset), ("backbone", backbone)) if value}
    if choice == "neighbours" and settings.get("source"):
        given = settings_of_source(open_run(settings["source"]).folder) | given
    elif len(given) < 2:
        raise UserError(f"baseline({choice!r}, ...) needs a data set and a backbone; only neighbours have a source")
    config = preset_config("standard", kind="baseline", **(given | settings))
    return _do(change(config, {"baseline": {"choice": choice}}), progress)


def evaluate(run: Run | str, on: list[str], *, progress: bool = True, **settings: Any) -> Run:
    """Judge the images of a run by heads on further frozen backbones, or by networks trained on them from scratch."""
    source = run if isinstance(run, Run) else open_run(run)
    asked = {"kind": "evaluate", "source": source.id, "evaluate_on": on, "name": "", "protocol": HEADLINE}
    config = change(source.config, asked, settings)
    return _do(config, progress)


def embed(dataset: str, backbone: str, sources: list["Run | str"], *, progress: bool = True, **settings: Any) -> Run:
    """Map real images in a backbone and place the images of runs among them; `run.folder.map()` holds the result."""
    ids = [(run if isinstance(run, Run) else open_run(run)).id for run in sources]
    config = preset_config("standard", kind="embed", dataset=dataset, backbone=backbone, sources=ids, **settings)
    return _do(config, progress)


def align(dataset: str, backbones: list[str], *, progress: bool = True, **settings: Any) -> Run:
    """Compare how backbones see a data set; `run.folder.alignment()` holds the result."""
    first = backbones[0] if backbones else RunConfig().backbone
    config = preset_config("standard", kind="align", dataset=dataset, backbone=first, evaluate_on=backbones, **settings)
    return _do(config, progress)


def layers(dataset: str, backbone: str, *, progress: bool = True, **settings: Any) -> Run:
    """How well each layer of a backbone tells the classes apart; `run.findings()` holds the result."""
    return _do(preset_config("standard", kind="layers", dataset=dataset, backbone=backbone, **settings), progress)


def backbone_card(dataset: str, backbone: str, *, progress: bool = True, **settings: Any) -> Run:
    """A backbone's accuracies, dimensions, hardest classes and cost; `run.findings()` holds the result."""
    return _do(preset_config("standard", kind="backbone", dataset=dataset, backbone=backbone, **settings), progress)


def patches(run: Run | str, backbones: Sequence[str] = (), *, progress: bool = True, **settings: Any) -> Run:
    """What backbones, or those of the run, see in its images patch by patch: pictures in the folder, `findings()`."""
    return _do(_look(run, "patches", backbones, settings), progress)


def style(run: Run | str, backbones: Sequence[str] = (), *, progress: bool = True, **settings: Any) -> Run:
    """Spectrum, colours and robustness of a run's images, and how near they are to copies; `findings()` holds it."""
    return _do(_look(run, "style", backbones, settings), progress)


def _look(run: Run | str, kind: str, backbones: Sequence[str], settings: dict[str, Any]) -> RunConfig:
    source = run if isinstance(run, Run) else open_run(run)
    asked = tuple(backbones) or source.config.networks()
    fixed = {"kind": kind, "source": source.id, "evaluate_on": asked, "fork_step": 0, "name": "", "study": ""}
    return change(source.config, fixed, settings)


def fork(run: Run | str, step: int, *, progress: bool = True, **changes: Any) -> Run:
    """Take over from a distillation at a step that has a frame, with other settings, and wait for the result."""
    source = run if isinstance(run, Run) else open_run(run)
    return _finish_all(prepare_forks(source.folder, step, changes, places()), progress)


def open_run(name: str) -> Run:
    """The run with this id or name, or whose id begins with it. Raises `UserError` with the nearest names."""
    return Run(RunStore(places().runs).open(name))


def list_runs() -> list[Run]:
    """All runs, oldest first."""
    return [Run(folder) for folder in RunStore(places().runs).runs()]


def _do(config: RunConfig, progress: bool) -> Run:
    return _finish_all(start_all(config, places()), progress)


def _finish_all(folders: list[RunFolder], progress: bool) -> Run:
    """Do what is left of a run and of those that judge it further; returns the first."""
    return [_finish(folder, progress) for folder in folders][0]


def _finish(folder: RunFolder, progress: bool) -> Run:
    here = places()
    if not is_done(folder):
        if progress:
            with progress_bar() as listener:
                on_device(folder, here, listener)
        else:
            on_device(folder, here)
    return Run(folder)
