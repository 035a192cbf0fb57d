"""The collections of groups that a run's data sets consist of: named in their present state, and copied into the run.

>>> config = with_states(RunConfig(dataset="groups:mine"), places())
>>> config.dataset
'groups:mine@5f0c2a91'
>>> copies(config, places()).keys()
dict_keys(['groups:mine@5f0c2a91'])
"""

from dataclasses import replace
from typing import Any

from lgm_core.base.errors import Unavailable, result_or_why
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.group_files import bare_name, read_collection
from lgm_core.datasets.groups import PREFIX, Collection
from lgm_core.runs.store import RunStore


def with_states(config: RunConfig, places: Places) -> RunConfig:
    """The config with the present state of each collection in the names of its data sets.

    Raises `Unavailable` where there is no such collection, `DamagedFile` where it cannot be used.
    """
    changes: dict[str, Any] = {"dataset": _with_state(config.dataset, places)}
    changes["evaluate_data"] = tuple(_with_state(name, places) for name in config.evaluate_data)
    return replace(config, **changes)


def copies(config: RunConfig, places: Places) -> dict[str, Any]:
    """Data set -> its collection's values, of those data sets of a run that are collections. Raises as above."""
    names = dict.fromkeys((config.dataset, *config.evaluate_data))
    return {name: find_collection(name, places).values() for name in names if name.startswith(PREFIX)}


def find_collection(dataset: str, places: Places) -> Collection:
    """A collection in the state that its name asks for: as it is now, or as a run has kept it."""
    found, why = result_or_why(lambda: read_collection(places.groups, dataset), but=Unavailable)
    if found is not None:
        return found
    store = RunStore(places.runs)
    for run, facts in reversed(store.listed() if bare_name(dataset)[1] else []):
        if facts.dataset == dataset and (kept := result_or_why(run.collection)[0]) is not None:
            return kept
    raise Unavailable(why)


def _with_state(dataset: str, places: Places) -> str:
    is_open = dataset.startswith(PREFIX) and not bare_name(dataset)[1]
    return read_collection(places.groups, dataset).dataset if is_open else dataset
