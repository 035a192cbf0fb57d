"""config.json of any version, read in today's terms. Reading forgives; what a user gives is checked strictly.

>>> found = open_config(run.config_file)
>>> found.config.lgm.views, found.notes
(5, {'lgm.sharpness': 'lgm.sharpness = 2 is no setting of this version: left out'})
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from lgm_core.base.errors import DamagedFile, UserError
from lgm_core.base.files import read_json
from lgm_core.base.knobs import read_dict
from lgm_core.base.places import VERSION
from lgm_core.base.settings import Kind
from lgm_core.config import RunConfig, renamed
from lgm_core.evaluation.catalog import HEADLINE, PROTOCOLS
from lgm_core.methods.catalog import METHODS, known_method
from lgm_core.runs.identity import without_effect

_EDITED = (
    "If it was edited: the settings of a run stay as they are; undo the edit, and give the new ones to "
    "`lgm fork {run} STEP`, or to another run"
)


@dataclass(frozen=True, kw_only=True)
class FoundConfig:
    """What config.json of a run says. `notes`: what this version could not take over, a sentence by setting."""

    config: RunConfig
    notes: dict[str, str]
    environment: dict[str, Any]

    @property
    def is_example(self) -> bool:
        """Is it that of the run that comes with the program (`example`)?"""
        return self.environment.get("example") is True

    def why_not_resumed(self, run_id: str) -> str:
        """Why this version cannot go on with the run to the same bits, and what to do; "" where it can."""
        row = known_method(self.config)
        matters, harmless = row.distils_by if row else (), without_effect(self.config)
        harmful = [name for name in self.notes if name.split(".")[0] not in harmless or name in matters]
        if not harmful:
            return ""
        wrote = self.environment.get("lgm_core", "unknown")
        return (
            f"the run {run_id!r} was made by version {wrote} of LGM Studio with settings that this version, "
            f"{VERSION}, does not know or accept: {', '.join(harmful)}. It can be viewed, but resuming it "
            f"could silently change its result; start it again under another name, or resume it in version {wrote}"
        )


def open_config(path: Path) -> FoundConfig:
    """Read a config.json. Raises `UserError` where it is missing or damaged, or is of a kind of run not known here."""
    remedy = "restore an intact config.json, or move the folder away"
    try:
        found = read_json(path)
    except DamagedFile as error:
        raise DamagedFile(f"{error}. {_EDITED.format(run=path.parent.name)}") from None
    if not found:
        raise UserError(f"{path} is missing or empty, so {path.parent} is not a run; {remedy}")
    values, environment = found.get("config"), found.get("environment")
    if not isinstance(values, dict):
        raise DamagedFile(f'{path} has no group of settings called "config", so it is not a run; {remedy}')
    if values.get("kind", "distill") not in get_args(Kind):
        raise UserError(f"{path} is of a run of the kind {values['kind']!r}, which this version does not know")
    config, notes = read_config(values)
    if config.method not in METHODS:
        notes["method"] = f"method = {config.method!r} is not a method of this version"
    return FoundConfig(config=config, notes=notes, environment=environment if isinstance(environment, dict) else {})


def read_config(values: Mapping[str, Any]) -> tuple[RunConfig, dict[str, str]]:
    """A config of any version, as plain values, in today's terms; and notes on what could not be taken over."""
    config, notes = read_dict(RunConfig, _clusters_of_before(renamed(values)))
    known = tuple(name for name in config.protocol if name in PROTOCOLS)
    if known == config.protocol:
        return config, notes
    unknown = ", ".join(sorted({*config.protocol} - {*known}))
    notes["protocol"] = f"protocol = {unknown} is not a protocol of this version: ignored"
    return replace(config, protocol=known or HEADLINE), notes


def _clusters_of_before(values: dict[str, Any]) -> dict[str, Any]:
    """Of several images per class: they were matched by their clusters alone, and began as photographs in any order.

    Nothing has changed for all others.
    """
    lgm, count = values.get("lgm"), values.get("images_per_class", 1)
    if not isinstance(lgm, dict) or lgm.get("clusters") is not True or not isinstance(count, int) or count < 2:
        return values
    values = values | {"lgm": {"whiten_within": "cluster", "class_share": 0.0} | lgm}
    synthetic = values.get("synthetic")
    if not isinstance(synthetic, dict) or synthetic.get("initial") in (None, "noise", "zero"):
        return values
    return values | {"synthetic": {"near_cluster": False} | synthetic}
