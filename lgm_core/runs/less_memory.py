"""A run that failed goes on with less in memory at once, by the same command with a smaller setting.

>>> asked = change(run.config(), {"rcig": {"chunk": 16}})
>>> failed_alike(store, asked) == run, take_over(run, asked)  # its config says 16 from now on
(True, True)
"""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from lgm_core.base.files import read_json, write_json
from lgm_core.base.knobs import to_dict
from lgm_core.base.locks import take
from lgm_core.config import RunConfig
from lgm_core.runs.identity import differences, identity
from lgm_core.runs.store import RunFolder, RunStore

_LATEST = 100  # runs that are looked through
_CHANGED = "changed after a failure"


def failed_alike(store: RunStore, config: RunConfig) -> RunFolder | None:
    """The newest failed run that differs from `config` in what it holds in memory at once, and in nothing else.

    None where the config has a name: then only the run of this name is meant.
    """
    if config.name:
        return None
    known = ((run, facts.kind) for run, facts in reversed(store.listed()[-_LATEST:]))
    return next((run for run, kind in known if kind == config.kind and _differs_in_memory_alone(run, config)), None)


def take_over(run: RunFolder, config: RunConfig) -> bool:
    """Let the run, if it failed and differs in nothing else, hold as much in memory at once as `config` says.

    Its config is written anew, and what was there until then is noted in the environment. False where it differs in
    more, or has a writer.
    """
    lock = take(run.lock_file) if _differs_in_memory_alone(run, config) else None
    if lock is None:
        return False
    with lock:
        made = run.config()
        now = _holding_like(made, config, run)
        written = read_json(run.config_file)
        before = written["environment"].get(_CHANGED)
        changes = [*([before] if before else []), *differences(made, now)]
        environment = written["environment"] | {_CHANGED: "; ".join(changes)}
        write_json(run.config_file, {"config": to_dict(now), "environment": environment}, sealed=True)
    return True


def _differs_in_memory_alone(run: RunFolder, config: RunConfig) -> bool:
    if run.status().state != "failed" or run.why_not_resumed():
        return False
    made = run.config()
    return identity(made) != identity(config) == identity(_holding_like(made, config, run))


def _holding_like(made: RunConfig, config: RunConfig, run: RunFolder) -> RunConfig:
    """`made`, with as much in memory at once as `config` says, as far as a run may change that which is so far."""
    when = {"any time"} if run.checkpoint.exists() else {"any time", "at first"}
    return replace(made, **{group: replace(getattr(made, group), **values) for group, values in _at_once(config, when)})


def _at_once(config: RunConfig, when: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """The settings of this kind, by group."""
    groups = [(group.name, getattr(config, group.name)) for group in fields(config)]
    return [
        (name, {one.name: getattr(group, one.name) for one in fields(group) if one.metadata.get("at_once") in when})
        for name, group in groups
        if is_dataclass(group)
    ]
