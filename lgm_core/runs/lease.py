"""Who may write to a run that several machines see: the latest claim, as long as its heartbeat is young.

On one machine a lock tells (`base/locks`), and nobody waits. Another machine may not see that lock, so a writer also
makes a file with the next number, which exactly one machine can do, and keeps it by its heartbeat in the status. When
the heartbeat is older than `LEASE_SECONDS`, another may claim the run. A writer that was away for so long has to claim
it anew before it writes again, which fails where another has come in between. Clocks may differ, or be set: a heartbeat
that looks old is watched for a moment before the run is claimed, and one that goes on holds it.

Whoever has claimed a run writes its heartbeat, and then looks whether its claim is still the latest: another either
saw that heartbeat, and gave way, or had made a later claim by then.

>>> claim = Claim(run)  # raises `Occupied` where another machine works on the run
>>> claim.renew()  # False where another has taken the run over
True
"""

import os
import platform
import time
from contextlib import suppress
from typing import NoReturn

from lgm_core.base.errors import UserError, result_or_why
from lgm_core.runs.folder import RunFolder
from lgm_core.runs.status import HEARTBEAT_SECONDS, LEASE_SECONDS, elsewhere, written_status


class Occupied(UserError):
    """Another process writes to the run."""


class Claim:
    """The right to write to a run. Raises `Occupied` where a writer on another machine holds it."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._refuse_if_held()
        self._refuse_if_it_beats()
        self._number = max(run.claims(), default=0)
        if not self.renew():
            self.refuse()
        try:
            self._refuse_if_held()  # what a file system had remembered of the status is read anew by now
        except Occupied:
            self._run.claim_file(self._number).unlink(missing_ok=True)
            raise

    def is_latest(self) -> bool:
        """Has nobody claimed the run since? To be asked once after the first heartbeat that follows a claim."""
        return max(self._run.claims(), default=0) <= self._number

    def refuse(self) -> NoReturn:
        """Raise `Occupied` for a claim that came too late."""
        raise Occupied(f"another machine has just begun to work on {self._run.id!r}; wait for it, or stop it first")

    def renew(self) -> bool:
        """Make the next claim, and remove earlier ones; False where another machine has claimed the run since."""
        number = self._number + 1
        try:
            with self._run.claim_file(number).open("x") as file:
                file.write(f"{platform.node()} {os.getpid()}\n")
        except FileExistsError:
            return False
        if max(self._run.claims()) > number:  # a later one, whose writer has removed the one between
            self._run.claim_file(number).unlink(missing_ok=True)
            return False
        for earlier in self._run.claims():
            if earlier < number:
                with suppress(OSError):
                    self._run.claim_file(earlier).unlink()
        self._number = number
        return True

    def _refuse_if_held(self) -> None:
        status = self._run.status()
        if silent := elsewhere(status):
            raise Occupied(
                f"{status.host} is working on the run {self._run.id!r}: its last sign of life is {silent:.0f} s old; "
                f"stop it there, or wait until that is {LEASE_SECONDS:.0f} s old"
            )

    def _refuse_if_it_beats(self) -> None:
        """A writer elsewhere whose heartbeat looks old by this machine's clock has a few seconds to show itself."""
        before = self._heartbeat()
        ends = time.monotonic() + 2 * HEARTBEAT_SECONDS
        while before is not None and time.monotonic() < ends:
            time.sleep(HEARTBEAT_SECONDS / 10)
            if (now := self._heartbeat()) != before and now is not None:
                raise Occupied(
                    f"{now[0]} is working on the run {self._run.id!r}: its heartbeat goes on, by a clock that differs "
                    "from this machine's; set the clocks, or stop the run there"
                )

    def _heartbeat(self) -> tuple[str, float] | None:
        """Host and heartbeat of a writer elsewhere that has not said how it ended; None where there is none."""
        status, _ = result_or_why(lambda: written_status(self._run.status_file))
        if status is None or not status.active or status.pid == 0 or status.host == platform.node():
            return None
        return status.host, status.heartbeat
