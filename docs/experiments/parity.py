"""Do two checkouts compute the same bits? Short runs of every kind in each, one thread, then file by file.

    python docs/experiments/parity.py run CHECKOUT FOLDER      # some minutes on one core; FOLDER becomes its cache
    python docs/experiments/parity.py compare FOLDER OTHER     # losses, sets, evaluations: the same to the last bit?

A checkout's own code runs, with this interpreter. Weights and data sets are looked for as always (LGM_WEIGHTS).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from safetensors import safe_open

FROZEN = "scenes mobilenet_v3_small --data.train-per-class 8 --data.test-per-class 8 --live.times 2 --probe.epochs 30"
FROZEN += " --probe.views 5 --probe.full-epochs 2 --device.threads 1 --device.precision float32 --bank.views 2"
SHORT = f"{FROZEN} --steps 60 --evaluate-on mobilenet_v3_small mobilenet_v2"
CONV = "digits conv --preset rcig_digits --steps 60 --rcig.width 8 --scratch.steps 60 --scratch.seeds 2"
COMMANDS = {
    "default": f"distill {SHORT}",
    "paper": f"distill {SHORT} --preset paper --pyramid.grow-every 5 --lgm.views 2 --synthetic.resolution 64",
    "chunked": f"distill {SHORT} --lgm.chunk 7 --lgm.views 2",
    "two": f"distill {SHORT} --images-per-class 2 --lgm.views 1",
    "interrupted": f"distill {SHORT} --record.checkpoint-seconds 0 --lgm.views 2",
    "fork": "fork default 30 --lgm.learning-rate 0.01",
    "further": "fork default 59 --steps 75",
    "rcig": f"distill {CONV}",
    "rcig_fork": "fork rcig 20",
    "centroids": f"baseline centroids {FROZEN} --evaluate-on mobilenet_v2",
    "neighbours": f"baseline neighbours {FROZEN} --evaluate-on mobilenet_v2 --source default",
    "full": f"baseline full {FROZEN} --evaluate-on mobilenet_v2",
    "further_judge": "evaluate default mobilenet_v3_small conv --scratch.steps 60 --scratch.seeds 1",
    "frozen_judge": "evaluate rcig mobilenet_v2 --probe.epochs 30 --probe.views 5",
    "map": f"embed {FROZEN} --sources default --embed.images 100",
    "alike": f"align {FROZEN.split()[0]} --data.test-per-class 8 --evaluate-on mobilenet_v3_small mobilenet_v2",
}
TIMES = ("step_seconds", "seconds")


def run(checkout: Path, folder: Path) -> None:
    """All commands, one after another; `interrupted` is killed half-way and begun again."""
    environment = os.environ | {"LGM_CACHE": str(folder.resolve()), "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    for name, words in COMMANDS.items():
        command = [sys.executable, "-m", "lgm_core", *words.split(), "--name", name]
        began, log = time.time(), (folder / f"{name}.log").open("wb")
        work = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
        while name == "interrupted" and work.poll() is None:
            time.sleep(0.05)
            metrics = folder / "runs" / name / "metrics.jsonl"
            if metrics.exists() and len(metrics.read_text().splitlines()) > 25:
                work.send_signal(signal.SIGKILL)
                work.wait()
                name = "interrupted, gone on"
                work = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
        print(f"{name}: exit {work.wait()}, {time.time() - began:.0f} s", flush=True)


def compare(one: Path, other: Path) -> int:
    """Prints a line per run; the number of those that differ."""
    differing = 0
    for name in COMMANDS:
        left, right = one / "runs" / name, other / "runs" / name
        found = [what for what, read in READERS.items() if read(left) != read(right)]
        facts = ", ".join(f"{len(read(left))} {what}" for what, read in READERS.items() if read(left))
        print(f"{name}: {'DIFFERENT ' + ', '.join(found) if found else 'identical'} ({facts or 'NOTHING'})")
        differing += bool(found) or not facts
    return differing


def lines(run: Path) -> list[Any]:
    file = run / "metrics.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{key: value for key, value in line.items() if key not in TIMES} for line in found]


def tensors(run: Path) -> dict[str, bytes]:
    file = run / "synthetic.safetensors"
    if not file.exists():
        return {}
    with safe_open(file, framework="numpy") as opened:
        return {name: opened.get_tensor(name).tobytes() for name in opened.keys()}  # noqa: SIM118 (not a dict)


def evaluations(run: Path) -> dict[str, Any]:
    """By network: what the judges measured. File names and keys that say who judged may have changed."""
    reports = [json.loads(file.read_text()) for file in sorted((run / "evals").glob("*.json"))]
    measured = ("top1", "top1_seeds", "top5", "per_class", "confusion", "train_images", "test_images")
    return {report["backbone"]: [report[key] for key in measured] for report in reports}


def findings(run: Path) -> dict[str, Any]:
    """Maps, trails and alignment, as they are."""
    files = [run / name for name in ("map.json", "trail.jsonl", "alignment.json", "choice.json", "details.jsonl")]
    return {file.name: file.read_text() for file in files if file.exists()}


READERS = {"lines": lines, "tensors": tensors, "evaluations": evaluations, "findings": findings}

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("run", "compare"):
        sys.exit(__doc__)
    given = [Path(word) for word in sys.argv[2:]]
    sys.exit(run(*given) if sys.argv[1] == "run" else compare(*given))
