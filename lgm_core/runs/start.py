"""A config becomes a run folder: checked, found again or made new, versions noted. Needs no torch.

>>> run = start(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> start(run.config(), places()).id == run.id  # the same command means the same run
True
"""

import platform
from importlib.metadata import version

import lgm_core
from lgm_core.config import RunConfig, validate
from lgm_core.errors import ConfigError
from lgm_core.places import Places
from lgm_core.registry import DISTILLERS, require_known
from lgm_core.runs.store import RunFolder, RunStore, differences, identity


def start(config: RunConfig, places: Places) -> RunFolder:
    """The run of this config: the one that is there already (finished or to be resumed), or a new folder.

    Raises `ConfigError` for wrong values, and where the config's name is taken by a run with other settings.
    """
    config = validate(config)
    require_known(config.method, DISTILLERS, "method")
    store = RunStore(places.runs)
    run = store.same(config)
    if run is None:
        return store.create(config, environment())
    if identity(run.config()) != identity(config):
        lines = "\n  ".join(differences(run.config(), config)[:8])
        raise ConfigError(
            f"the run {run.id!r} exists with other settings (there / asked for):\n  {lines}\ntake another --name"
        )
    return run


def environment() -> dict[str, str]:
    """Versions that a result may depend on."""
    names = ("torch", "torchvision", "timm", "open_clip_torch", "numpy")
    return {"lgm_core": lgm_core.__version__, "python": platform.python_version()} | {
        name: version(name) for name in names
    }
