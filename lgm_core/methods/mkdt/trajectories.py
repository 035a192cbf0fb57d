"""The experts' snapshots on disk: a file per expert, sealed, memory-mapped, bounded in number and size.

Legend: T epochs of an expert, P parameters.

>>> store = Trajectories(folder, snapshots=4, size=1_348_608, half=False, device=device)
>>> store.add(0, snapshots)
>>> start, goal = store.pair(0, 1, 3)
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.base.files import read_json, write_json
from lgm_core.base.regular_files import require_regular
from lgm_core.methods.mkdt.sealed_arrays import is_whole, save_sealed


def _size_and_use(folder: Path) -> tuple[int, float]:
    """Bytes of a folder's files, and the time at which one was last read or written, as far as the disk tells."""
    facts = [path.stat() for path in folder.iterdir() if path.is_file()]
    return sum(one.st_size for one in facts), max((max(one.st_atime, one.st_mtime) for one in facts), default=0.0)


@final
class Trajectories:
    """An expert that is there and whole stays as it is, whatever is added; a file appears only when it is whole."""

    def __init__(self, folder: Path, *, snapshots: int, size: int, half: bool, device: torch.device) -> None:
        self.folder, self.snapshots, self.size = folder, snapshots, size
        self._dtype, self._device = np.dtype(np.float16 if half else np.float32), device

    def bytes_of(self, experts: int) -> int:
        """Disk that so many experts take."""
        return experts * self.snapshots * self.size * self._dtype.itemsize

    def require_room(self, experts: int, gigabytes: float) -> None:
        """Raise `UserError` where so many experts, with those of other settings, take more than `gigabytes`.

        It names the folder that nobody used for longest. Experts that are all there need no more room.
        """
        if self.bytes_of(experts) > gigabytes * 1e9:
            raise UserError(
                f"{experts} experts with {self.snapshots} snapshots of {self.size:,} parameters take "
                f"{self.bytes_of(experts) / 1e9:.3g} GB, mkdt.store_gigabytes allows {gigabytes:g}: raise it, take "
                "fewer mkdt.experts, a smaller scratch.width, or mkdt.half"
            )
        others = {path: _size_and_use(path) for path in self.folder.parent.glob("*/") if path != self.folder}
        taken = sum(size for size, _ in others.values())
        if taken + self.bytes_of(experts) > gigabytes * 1e9 and not all(map(self.has, range(experts))):
            oldest = min(others, key=lambda path: others[path][1])
            raise UserError(
                f"{experts} experts take {self.bytes_of(experts) / 1e9:.3g} GB, those of {len(others)} other settings "
                f"take {taken / 1e9:.3g} GB, mkdt.store_gigabytes allows {gigabytes:g} in all: raise it, or drop "
                f"what was not used for longest ({others[oldest][0] / 1e9:.3g} GB): "
                f"lgm cache drop trajectories {oldest.name}"
            )

    def has(self, expert: int) -> bool:
        """Is there a file of the expert, whole or not?"""
        return self._file(expert).exists()

    def is_whole(self, expert: int, note: Callable[[str], object]) -> bool:
        """Is the expert there? One that is damaged is removed, and `note` is told."""
        return is_whole(self._file(expert), shape=(self.snapshots, self.size), note=note)

    def add(self, expert: int, snapshots: Float[Tensor, "t p"]) -> None:
        """Keep an expert's snapshots, from its start to its last epoch."""
        assert snapshots.shape == (self.snapshots, self.size), (snapshots.shape, self.snapshots, self.size)
        self.folder.mkdir(parents=True, exist_ok=True)
        save_sealed(self._file(expert), snapshots.cpu().numpy().astype(self._dtype))

    def note_losses(self, expert: int, losses: Sequence[float]) -> None:
        """Keep the mean loss of each of an expert's epochs."""
        write_json(self.folder / f"training-{expert:04d}.json", {"losses": list(losses)})

    def losses(self, experts: int) -> list[float]:
        """Of each epoch, the mean over the first so many experts; [] where one is of an earlier version."""
        files = [self.folder / f"training-{expert:04d}.json" for expert in range(experts)]
        found = [(result_or_why(partial(read_json, file))[0] or {}).get("losses") for file in files]
        known = [losses for losses in found if isinstance(losses, list) and len(losses) == self.snapshots - 1]
        return np.mean(known, axis=0).tolist() if len(known) == experts else []

    def snapshot(self, expert: int, epoch: int) -> Float[Tensor, "p"]:
        """Parameters after so many epochs, float32, on the device; a copy."""
        require_regular(self._file(expert))
        mapped = np.load(self._file(expert), mmap_mode="r")
        return torch.from_numpy(np.array(mapped[epoch], dtype=np.float32)).to(self._device)

    def pair(self, expert: int, start: int, end: int) -> tuple[Float[Tensor, "p"], Float[Tensor, "p"]]:
        """Parameters after `start` and after `end` epochs."""
        return self.snapshot(expert, start), self.snapshot(expert, end)

    def _file(self, expert: int) -> Path:
        return self.folder / f"expert-{expert:04d}.npy"
