"""The command line: which verbs there are, and how their mistakes are told.

    lgm distill scenes mobilenet_v2 --steps 250 --evaluate-on mobilenet_v2 tf_efficientnet_lite0
    lgm show

Exit codes: 0 done; 1 failed; 2 wrong name or value; 3 weights or data not within reach; 130 / 143 stopped by a signal
(the same command goes on where it stopped).
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from lgm_core.base.errors import UserError, disk_words
from lgm_core.base.names import unknown
from lgm_core.base.places import VERSION
from lgm_core.cli import (
    caching,
    clustering,
    compute,
    control,
    deleting,
    doctor,
    grouping,
    instruments,
    judging,
    look,
    pairing,
    sharing,
)
from lgm_core.cli.flags import as_typed
from lgm_core.cli.number_words import NUMBERS
from lgm_core.jobs.crew import require_by_itself

VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "distill": compute.distill,
    "baseline": compute.baseline,
    "evaluate": judging.evaluate,
    "import": compute.import_,
    "embed": compute.embed,
    "align": compute.align,
    "disagree": compute.disagree,
    "layers": instruments.layers,
    "backbone": instruments.backbone,
    "patches": instruments.patches,
    "style": instruments.style,
    "study": compute.study,
    "allegiance": pairing.allegiance,
    "fork": compute.fork,
    "resume": compute.resume,
    "retry": compute.retry,
    "pause": control.pause,
    "stop": control.stop,
    "queue": control.queue,
    "submit": clustering.submit_runs,
    "delete": deleting.delete,
    "note": control.note,
    "show": look.show,
    "list": look.list_,
    "report": sharing.report,
    "gallery": sharing.gallery,
    "export": sharing.export,
    "timelapse": sharing.timelapse,
    "groups": grouping.groups,
    "fetch": look.fetch,
    "push": look.push,
    "cache": caching.cache,
    "doctor": doctor.doctor,
    "bench": control.bench,
    "estimate": control.estimate,
    "work": control.work,
    "wait": control.wait,
    "calibrate": control.calibrate,
}

_OF_WORKERS = ("work", "wait", "calibrate")  # what worker processes are started with


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code. Mistakes of the user are one sentence on standard error."""
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(words: list[str]) -> int:
    logging.getLogger("lgm").setLevel(logging.INFO)
    if not words or words[0] in ("-h", "--help", "help"):
        print("lgm VERB ...    (lgm VERB --help: its settings)\n")
        for name, verb in VERBS.items():
            if name in _OF_WORKERS:
                continue
            print(f"  {name:10} {(verb.__doc__ or '').splitlines()[0]}")
        return 0
    if words[0] in ("--version", "-V", "version"):
        print(f"lgm {VERSION}")
        return 0
    try:
        if words[0] not in VERBS:
            raise UserError(unknown(words[0], VERBS, "verb"))
        if words[0] != "work":
            require_by_itself(words[0])
        with NUMBERS:
            return VERBS[words[0]](words[1:])
    except OSError as error:
        if not (said := disk_words(error)):
            raise
        print(f"lgm: {said}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"lgm: {as_typed(str(error), words)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
