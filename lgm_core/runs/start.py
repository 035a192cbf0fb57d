"""A config becomes a run folder: checked, found again or made new, versions noted. Needs no torch.

>>> run = start(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> start(run.config(), places()).id == run.id  # the same command means the same run
True
"""

import platform
from importlib.metadata import version

import lgm_core
from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.students.student_names import is_student, student_name
from lgm_core.base.errors import ConfigError, Unavailable
from lgm_core.base.names import DISTILLERS, require_known
from lgm_core.base.places import Places
from lgm_core.config import RunConfig, validate
from lgm_core.datasets import catalog as datasets
from lgm_core.runs.store import RunFolder, RunStore, differences, identity


def start(config: RunConfig, places: Places) -> RunFolder:
    """The run of this config: the one that is there already (finished or to be resumed), or a new folder.

    Raises `ConfigError` for wrong values, and where the config's name is taken by a run with other settings, or by one
    of another version that this one cannot go on with (`UserError`);
    `Unavailable`, and makes no folder, where the data or the weights are not here.
    """
    config = validate(config)
    require_known(config.method, DISTILLERS, "method")
    store = RunStore(places.runs)
    run = store.same(config)
    if run is None:
        require_here(config, places)
        return store.create(config, environment())
    there = run.config_to_work_on()
    if identity(there) != identity(config):
        lines = "\n  ".join(differences(there, config)[:8])
        raise ConfigError(
            f"the run {run.id!r} exists with other settings (there / asked for):\n  {lines}\ntake another --name"
        )
    return run


def require_here(config: RunConfig, places: Places) -> None:
    """Raises `Unavailable` where the data set is not here, or a backbone that the worker cannot fetch."""
    data = datasets.find_row(config.dataset)
    if datasets.status(data, places) != "ready" and not datasets.leftovers(data, places.datasets):
        raise Unavailable(datasets.not_here(data, places.datasets))
    _require_features(config)
    chosen = config.kind == "baseline" and config.baseline.choice in ("centroids", "neighbours")
    own = (config.backbone,) if chosen or config.kind in ("distill", "embed") else ()
    for name in dict.fromkeys(own + config.evaluate_on):
        if is_student(name):  # trained from scratch: nothing to fetch, but the name may be wrong
            student_name(name)
            continue
        row = backbones.find_row(name)
        if backbones.status(row, places) == "missing":
            raise Unavailable(f"the weights of {name} are not here: the file does not exist; check the path")


def _require_features(config: RunConfig) -> None:
    """Networks that are trained from scratch can judge a set; only RCIG distils with them."""
    if config.kind == "align":
        names, purpose = config.evaluate_on, "compare"
    elif config.kind == "embed":
        names, purpose = (config.backbone,), "map"
    elif config.kind == "baseline" and config.baseline.choice in ("centroids", "neighbours"):
        names, purpose = (config.backbone,), "choose real images by"
    elif config.kind == "distill" and config.method != "rcig":
        names, purpose = (config.backbone,), "match"
    else:
        return
    if without := [name for name in names if is_student(name)]:
        raise ConfigError(
            f"{', '.join(without)}: trained from scratch, so without features to {purpose}; take frozen backbones "
            "(`lgm list backbones`), or distil with a preset of RCIG"
        )


def environment() -> dict[str, str]:
    """Versions that a result may depend on."""
    names = ("torch", "torchvision", "timm", "open_clip_torch", "numpy")
    return {"lgm_core": lgm_core.__version__, "python": platform.python_version()} | {
        name: version(name) for name in names
    }
