"""Where things lie on this machine: the only module that reads the environment for paths.

>>> places().weights  # folders that are searched for weights, in order; the last one is written to
(PosixPath('/data/weights'), PosixPath('cache/weights'))
"""

import os
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.2.0"
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folders of this machine. `weights` and `datasets` are searched in order; new files go into the last one."""

    cache: Path
    weights: tuple[Path, ...]
    datasets: tuple[Path, ...]

    @property
    def runs(self) -> Path:
        return self.cache / "runs"

    @property
    def groups(self) -> Path:
        return self.cache / "groups"

    @property
    def features(self) -> Path:
        return self.cache / "features"

    @property
    def slots(self) -> Path:
        return self.cache / "slots"

    @property
    def queue(self) -> Path:
        return self.slots / "queue"

    @property
    def clusters(self) -> Path:
        return self.slots / "clusters"

    @property
    def thumbs(self) -> Path:
        return self.cache / "thumbs"

    @property
    def maps(self) -> Path:
        return self.cache / "maps"

    @property
    def hashes(self) -> Path:
        return self.cache / "index"

    @property
    def trajectories(self) -> Path:
        return self.cache / "trajectories"

    @property
    def written_by_any(self) -> tuple[Path, ...]:
        """Folders that any process may write to; `litter.sweep_old` clears away what was left half written there."""
        return (self.cache, self.features, self.thumbs, self.slots, self.trajectories)

    @property
    def estimates(self) -> Path:
        return self.cache / "estimates"


def places() -> Places:
    """Read `LGM_CACHE` (default: `cache` beside the package), `LGM_WEIGHTS` and `LGM_DATASETS` (path lists)."""
    cache = Path(os.environ.get("LGM_CACHE") or PROJECT / "cache").expanduser().resolve()
    return Places(
        cache=cache,
        weights=(*_path_list("LGM_WEIGHTS"), cache / "weights"),
        datasets=(*_path_list("LGM_DATASETS"), cache / "datasets"),
    )


def worker_environment(here: Places) -> dict[str, str]:
    """The environment in which another process of this program finds the same places, and the program."""
    return os.environ | {
        "LGM_CACHE": str(here.cache),
        "LGM_WEIGHTS": os.pathsep.join(map(str, here.weights)),
        "LGM_DATASETS": os.pathsep.join(map(str, here.datasets)),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH", "")))),
    }


def _path_list(variable: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser().resolve() for part in os.environ.get(variable, "").split(os.pathsep) if part)
