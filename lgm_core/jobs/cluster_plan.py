"""What a run asks of a cluster: devices, cores, the runs it waits for, the node it prefers. Knows nothing of Ray.

>>> plan = plan_runs(runs, [Node(id="a1", host="gpu-1", cpus=16, gpus=2)])
>>> plan[0].gpus, plan[0].cpus, plan[0].near
(1, 8, 'a1')
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lgm_core.base.errors import ConfigError
from lgm_core.config import RunConfig
from lgm_core.runs.store import RunFolder


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of a cluster: what it has in all, not what is free."""

    id: str
    host: str
    cpus: int
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run, and what it asks for. `near`: the id of the node that it prefers, "" for none."""

    run: RunFolder
    cpus: int
    gpus: int
    near: str


def plan_runs(runs: Sequence[RunFolder], nodes: Sequence[Node]) -> list[Planned]:
    """What each run asks for, in the same order. Raises `ConfigError` for a device that no cluster can give.

    Runs on the same data set and networks read the same banks and prefer the same node: one where such a run has been,
    else the nodes in turn. The bank of the first is then in that node's memory, or on its own disk.
    """
    hosts = {node.host: node.id for node in nodes}
    homes: dict[tuple[str, ...], str] = {}
    for run in runs:
        if (host := run.status().host) in hosts and run.status().state != "queued":
            homes[_banks(run.config())] = hosts[host]
    planned = []
    for run in runs:
        config = run.config()
        cpus, gpus = needs(config, nodes)
        fitting = [node.id for node in nodes if node.cpus >= cpus and node.gpus >= gpus]
        if fitting and _banks(config) not in homes:
            homes[_banks(config)] = fitting[len(homes) % len(fitting)]
        planned.append(Planned(run=run, cpus=cpus, gpus=gpus, near=homes.get(_banks(config), "")))
    return planned


def needs(config: RunConfig, nodes: Sequence[Node]) -> tuple[int, int]:
    """Cores and GPUs: `device.threads` cores, or a node's share per run; a GPU where it asks for one, or one is there.

    On nodes with GPUs as many runs share the cores as there are GPUs; on others a run gets all of the smallest node's.
    """
    device = config.device.device
    if device not in ("auto", "cpu", "cuda", "all"):
        raise ConfigError(
            f"device.device {device} names a device of one machine; on a cluster give auto, cpu, cuda or all"
        )
    with_gpus = [node for node in nodes if node.gpus]
    gpus = 1 if device in ("cuda", "all") or (device == "auto" and with_gpus) else 0
    if device == "all":
        gpus = max((node.gpus for node in nodes), default=1) or 1
    shares = [node.cpus * gpus // node.gpus for node in with_gpus] if gpus else [node.cpus for node in nodes]
    return config.device.threads or max(min(filter(None, shares), default=1), 1), gpus


def _banks(config: RunConfig) -> tuple[str, ...]:
    return (config.dataset, *sorted({*config.networks(), *config.evaluate_on}))
