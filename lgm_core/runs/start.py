"""A config becomes a run folder: checked, found again or made new, versions noted. Needs no torch.

>>> run = start(preset("preview", dataset="scenes", backbone="mobilenet_v2"), places())
>>> start(run.config(), places()).id == run.id  # the same command means the same run
True
"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from filelock import FileLock

from lgm_core.analysis.catalog import INSTRUMENTS, OF_SETS
from lgm_core.backbones import catalog as backbones
from lgm_core.backbones.published_names import require_published
from lgm_core.backbones.students.student_names import is_student, student_name
from lgm_core.base.errors import ConfigError, Unavailable, result_or_why
from lgm_core.base.names import file_name, why_no_name
from lgm_core.base.places import VERSION, Places
from lgm_core.base.real_settings import BY_FEATURES, WITHOUT_IMAGES
from lgm_core.config import RunConfig, validate
from lgm_core.datasets import catalog as datasets
from lgm_core.evaluation.protocol import Key, key_of_report, keys_of, setting_of, transfers
from lgm_core.methods.catalog import METHODS, exported, method_of
from lgm_core.runs.identity import JUDGING, differences, identity
from lgm_core.runs.less_memory import failed_alike, take_over
from lgm_core.runs.limits import require_room
from lgm_core.runs.store import RunFolder, RunStore
from lgm_core.runs.used_groups import copies, find_collection, with_states


def start(config: RunConfig, places: Places) -> RunFolder:
    """The run of this config: the one that is there already (finished or to be resumed), or a new folder.

    One that failed also where `config` only asks it to hold less in memory at once.

    Raises `ConfigError` for wrong values, and where the config's name is taken by a run with other settings, or by one
    of another version that this one cannot go on with (`UserError`);
    `Unavailable`, and makes no folder, where the data or the weights are not here; `UserError` where there is no room.
    """
    config, store = with_states(validate(config), places), RunStore(places.runs)
    if takes_neighbours(config):
        source = store.open(config.source)
        require_like_source(config, source)
        config = replace(config, source=source.id)  # a worker waits for it by its whole name
    run = store.same(config) or failed_alike(store, config)
    if run is None:
        require_here(config, places)
        require_room(store.root)
        copied = copies(config, places)
        places.slots.mkdir(parents=True, exist_ok=True)
        with FileLock(places.slots / "runs.lock", fallback_to_soft=False):
            if (run := store.same(config)) is None:  # nobody else has made it meanwhile
                return store.create(config, environment(), copied)
    there = run.config_to_work_on()
    known, asked = identity(there), identity(config)
    if config.kind == "baseline":  # how chosen images are judged does not change which are chosen
        known, asked = ({name: value for name, value in one.items() if name not in JUDGING} for one in (known, asked))
    if known != asked and not take_over(run, config):
        lines = "\n  ".join(differences(there, config)[:8])
        remedy = (
            "use another --name"
            if not config.study
            else (f"use another --name, or give the study another one; `lgm delete {config.study}` frees the name")
        )
        raise ConfigError(f"the run {run.id!r} exists with other settings (existing / requested):\n  {lines}\n{remedy}")
    return run


def start_all(config: RunConfig, places: Places) -> list[RunFolder]:
    """The run of this config; where that is an earlier one which was judged otherwise, also a run that judges it so.

    A further judge, or other settings of judging, never distil again. Raises as `start` does.
    """
    config = with_states(validate(config), places)
    return with_further(start(config, places), config, places)


def with_further(run: RunFolder, config: RunConfig, places: Places) -> list[RunFolder]:
    """The run, and one that judges it where it is not, and will not be, judged as `config` asks; see `start_all`."""
    further = judged_further(run, config, RunStore(places.runs))
    return [run] if further is None else [run, start(further, places)]


def judged_further(run: RunFolder, config: RunConfig, store: RunStore) -> RunConfig | None:
    """The config of a run that adds the evaluations which `config` asks for and no run does yet; None for none."""
    if config.kind not in ("distill", "baseline"):
        return None
    known = _judged(run)
    if run.status().state != "finished":  # it will do these itself
        known |= {key.digest for key in keys_of(run.config())}
    for other in store.evaluations(run.id):  # one that was interrupted is found again, and goes on
        known |= _judged(other)
    keys = [key for key in keys_of(config) if key.digest not in known]
    missing = tuple(dict.fromkeys(key.network for key in keys))
    if not missing:
        return None
    if (
        config.kind == "baseline" and config.baseline.choice in WITHOUT_IMAGES
    ):  # has no images that could be judged further
        return replace(config, evaluate_on=missing, name=_further_name(config, keys, store) if config.name else "")
    return replace(config, kind="evaluate", source=run.id, evaluate_on=missing, name="")


def is_done(run: RunFolder) -> bool:
    """Is nothing left to do in a run? A finished evaluation whose report was moved away makes it again."""
    if run.status().state != "finished":
        return False
    config = run.config()
    return config.kind != "evaluate" or {key.digest for key in keys_of(config)} <= _judged(run)


def _judged(run: RunFolder) -> set[str]:
    """The digests of the evaluations whose reports a run holds."""
    reports, config = run.eval_reports(), run.config()
    return {key_of_report(report, config).digest for report in reports}


def _further_name(config: RunConfig, keys: Sequence[Key], store: RunStore) -> str:
    """A name for a further judging of all real images: the networks', and the keys' where another one has that."""
    name = "-".join([config.name, *dict.fromkeys(file_name(key.network) for key in keys)])
    there = RunFolder(store.root / name)
    if (
        not why_no_name(name)
        and there.config_file.exists()
        and not {key.digest for key in keys} <= {k.digest for k in keys_of(there.config())}
    ):
        return "-".join([name, *(key.digest for key in keys)])
    return name


def takes_neighbours(config: RunConfig) -> bool:
    """Does the run choose the real images that are nearest to another run's images?"""
    return config.kind == "baseline" and config.baseline.choice == "neighbours"


def settings_of_source(source: RunFolder) -> dict[str, Any]:
    """What a choice of neighbours takes from the run whose neighbours they are, where it is not given."""
    config = source.config()
    return {name: getattr(config, name) for name in ("dataset", "backbone", "images_per_class")}


def require_like_source(config: RunConfig, source: RunFolder) -> None:
    """Raise `ConfigError` for neighbours among other data, or in another backbone, than the images were made with.

    A network that was trained from scratch has no features: then any frozen backbone may be given.
    """
    made, remedy = source.config(), "leave it out to use that of the run"
    if not _same(datasets.find_row, config.dataset, made.dataset):
        raise ConfigError(
            f"the images of {source.id!r} are of the data set {made.dataset}, and their neighbours cannot be chosen "
            f"among {config.dataset}, which was given: {remedy}"
        )
    from_scratch = any(map(is_student, made.networks()))
    if not from_scratch and not _same(backbones.find_row, config.backbone, made.backbone):
        raise ConfigError(
            f"the images of {source.id!r} were made with {made.backbone}, and their neighbours are chosen by its "
            f"features, not by those of {config.backbone}, which was given: {remedy}"
        )


def _same(find_row: Callable[[str], object], name: str, other: str) -> bool:
    """Are two names the same, or of the same row of a catalogue?"""
    row = result_or_why(lambda: find_row(name))[0]
    return name == other or (row is not None and row == result_or_why(lambda: find_row(other))[0])


def require_here(config: RunConfig, places: Places) -> None:
    """Raise `Unavailable` where the data set is not here, or a backbone that the worker cannot fetch."""
    for name in dict.fromkeys((config.dataset, *(key.dataset for key in keys_of(config)))):
        data = datasets.find_row(name)
        if data.collection:
            _require_groups(name, places)
            continue
        if datasets.status(data, places) != "ready" and not datasets.leftovers(data, places.datasets):
            raise Unavailable(datasets.not_here(data, places.datasets))
    _require_features(config)
    chosen = config.kind == "baseline" and config.baseline.choice in BY_FEATURES
    own = config.networks() if chosen or config.kind in ("distill", "embed", *INSTRUMENTS) else ()
    for name in dict.fromkeys(own + config.evaluate_on + _teachers(config, RunStore(places.runs))):
        if is_student(name):  # trained from scratch: nothing to fetch, but the name may be wrong
            student_name(name)
            continue
        row = backbones.find_row(name)
        require_published(row)
        if backbones.status(row, places) in ("missing", "manual"):
            raise Unavailable(backbones.how_to_get(row, places))


def _require_groups(name: str, places: Places) -> None:
    """Raise where a collection is no data set, or the images of its groups are not here."""
    collection = find_collection(name, places)
    collection.members()
    for dataset in collection.datasets:
        row = datasets.find_row(dataset)
        if datasets.status(row, places) != "ready":
            raise Unavailable(datasets.not_here(row, places.datasets))


def _teachers(config: RunConfig, store: RunStore) -> tuple[str, ...]:
    """Networks whose features a run takes as targets; a set that has learned targets of its own needs none."""
    if config.kind == "distill" or config.baseline.choice == "high-loss":
        return tuple(str(setting_of(config, name)) for name in method_of(config).opens)
    source = result_or_why(lambda: store.open(config.source).config())[0] if config.kind == "evaluate" else None
    if exported(source or config) == "targets":
        return ()
    asks = config.kind in ("baseline", "evaluate") and any(transfers(key.protocol) for key in keys_of(config))
    return (config.pretrain.teacher,) if asks else ()


def _require_features(config: RunConfig) -> None:
    """Raise `ConfigError` where a network that is trained from scratch is asked for features, which it has none of."""
    names, purpose = config.networks(), ""
    if config.kind == "align":
        names, purpose = config.evaluate_on, "compare"
    elif config.kind == "embed":
        purpose = "map"
    elif config.kind in INSTRUMENTS:
        names, purpose = (config.kind in OF_SETS and config.evaluate_on) or names, "look at"
    elif config.kind == "baseline" and config.baseline.choice in BY_FEATURES:
        purpose = "choose real images with"
    elif config.kind == "distill" and method_of(config).networks == "frozen":
        purpose = "match"
    if purpose and (without := [name for name in names if is_student(name)]):
        others = [row.title for row in METHODS.values() if row.networks == "student"]
        raise ConfigError(
            f"{', '.join(without)}: networks trained from scratch have no features to {purpose}; use frozen "
            f"backbones (`lgm list backbones`), or distil with a preset of {' or '.join(others)}"
        )


def environment() -> dict[str, str]:
    """Versions that a result may depend on."""
    names = ("torch", "torchvision", "timm", "open_clip_torch", "numpy")
    return {"lgm_core": VERSION, "python": platform.python_version()} | {name: version(name) for name in names}
