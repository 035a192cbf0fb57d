"""The checkpoint of a run, and the one before it, for the day on which the last is damaged.

>>> write_checkpoint(run, 40, distiller.state())
>>> next_step, state, notes = read_checkpoint(run)
"""

import os
from collections.abc import Mapping

from torch import Tensor

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import set_aside
from lgm_core.base.interfaces import State
from lgm_core.base.tensor_files import load_with_metadata, save_tensors
from lgm_core.runs.damage import named_step
from lgm_core.runs.folder import RunFolder


def write_checkpoint(run: RunFolder, next_step: int, state: Mapping[str, Tensor]) -> None:
    """Replace the checkpoint atomically, and keep the one before. `state` is all that step `next_step` depends on."""
    if run.checkpoint.exists():
        new = run.checkpoint_before.with_name(f".{run.checkpoint_before.name}.{os.getpid()}.new")
        new.unlink(missing_ok=True)
        os.link(run.checkpoint, new)  # a second name: at each moment at least one of the two files is there
        new.replace(run.checkpoint_before)
    save_tensors(state, run.checkpoint, {"next_step": str(next_step)})


def read_checkpoint(run: RunFolder) -> tuple[int, State, list[str]]:
    """Next step and state, (0, {}) without a checkpoint, and a note for each damaged one, which is set aside."""
    notes = []
    for path in (run.checkpoint, run.checkpoint_before):
        if not path.exists():
            continue
        try:
            state, metadata = load_with_metadata(path)
            return _step(metadata, path), state, notes
        except DamagedFile as error:
            kept = set_aside(path)
            notes.append(f"{error}. {kept}")
    if notes:
        notes.append("No checkpoint is intact: the run starts again, with the same result.")
    return 0, {}, notes


def _step(metadata: Mapping[str, str], path: object) -> int:
    step = named_step(metadata)
    if step is None:
        raise DamagedFile(f"{path} is damaged (it does not name its step)")
    return step
