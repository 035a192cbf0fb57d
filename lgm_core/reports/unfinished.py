"""Which runs of a study have no result yet, so that a table with gaps, or too few runs behind a mean, says so.

>>> unfinished_words(store.study("demo"))
'2 of 20 runs are not finished: demo-full is stopped, demo-random-s1 is queued'
"""

from collections.abc import Sequence

from lgm_core.runs.store import RunFolder

_MOST_NAMED = 6
_ORDER = ("failed", "lost", "stopped", "paused", "queued", "running")


def unfinished_words(runs: Sequence[RunFolder]) -> str:
    """A sentence without its full stop, those that failed first, each with why; "" where all are finished."""
    found = [(run.id, status) for run in runs if (status := run.status()).state != "finished"]
    if not found:
        return ""
    found.sort(key=lambda one: _ORDER.index(one[1].state))
    named = [
        f"{name} {'failed' if status.state == 'failed' else f'is {status.state}'}"
        + (f" ({status.error.rstrip('.')})" if status.error else "")
        for name, status in found[:_MOST_NAMED]
    ]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    are = "is" if len(found) == 1 else "are"
    return f"{len(found)} of {len(runs)} runs {are} not finished: {', '.join(named)}{more}"
