"""Short runs on a disk that fills up and stays full, until room is made: a small tmpfs in a namespace of its own.

For each kind of run and each share of the room that it takes: the command, the command once more, `lgm list`, `show`
and `doctor`, all on the full disk, each of which says a sentence; then the disk gets room, and the same command ends
with the result of the undisturbed run.

    python -m tests.faults.full_disk --kinds distil --shares 0.5     # needs `unshare -rm`, else it says so
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lgm_core.runs import limits
from tests.faults.trial import Trial, last

KINDS = ("distil", "baseline", "embed", "align", "rcig", "mkdt")
SHARES = (0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.97)
WITHOUT = "a user may not mount a disk of his own here (unshare -rm), so no full disk was tried"
_INSIDE = "LGM_TEST_INSIDE"
_PAGE = 4096


def may_mount() -> bool:
    """May a process here have file systems of its own?"""
    if not shutil.which("unshare"):
        return False
    tried = "mount -t tmpfs -o size=64k none /mnt"
    return subprocess.run(["unshare", "-rm", "sh", "-c", tried], capture_output=True).returncode == 0


def any_room() -> None:
    """Begin a run however little room there is."""
    limits.LEAST_FREE = 0


def disturb(trial: Trial, share: float, needed: int) -> list[str]:
    """Everything that is wrong on a disk with this share of the bytes that are needed, and after; [] where nothing."""
    trial.fresh()
    size = max(int(needed * share) // _PAGE, 1) * _PAGE
    _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(trial.cache))
    try:
        try:
            shutil.copytree(trial.base, trial.cache, dirs_exist_ok=True)
        except shutil.Error:
            return []  # there is no room for what the run builds on
        return _on_full(trial) or _with_room(trial)
    finally:
        subprocess.run(["umount", str(trial.cache)], check=True)


def _on_full(trial: Trial) -> list[str]:
    from tests.faults.crash_runs import NAME, forked

    wrong, asked = [], [trial.config] * 2 + [["list", "runs"], ["show", NAME], ["queue"], ["doctor"]]
    for place, words in enumerate(asked):
        code, said = forked(words, trial.cache, place, before=any_room)
        name = "the run" if place < 2 else "lgm " + " ".join(words)  # type: ignore[arg-type]
        if "Traceback" in said or not 0 <= code <= 3 or not said.strip():
            wrong.append(f"{name} ended with {code}, saying {last(said)}")
        if place < 2 and code and "lgm: " not in said:
            wrong.append(f"{name} ended with {code} without a sentence: {last(said)}")
    return wrong


def _with_room(trial: Trial) -> list[str]:
    _mount("-o", "remount,size=1g", str(trial.cache))
    return trial.mended(before=any_room)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _needed(folder: Path) -> int:
    """Bytes of all files, in whole pages."""
    return sum(-(-path.stat().st_size // _PAGE) * _PAGE + _PAGE for path in folder.rglob("*") if path.is_file())


def main() -> int:
    asked = _asked()
    if not os.environ.get(_INSIDE):
        if not may_mount():
            print(WITHOUT)
            return 0
        command = ["unshare", "-rm", sys.executable, "-m", "tests.faults.full_disk", *sys.argv[1:]]
        return subprocess.run(command, env=os.environ | {_INSIDE: "1"}).returncode
    failed = 0
    for kind in asked.kinds:
        trial = Trial(kind, asked.folder)
        trial.prepare(before=any_room)
        for share in asked.shares:
            wrong = disturb(trial, share, _needed(trial.wanted))
            failed += bool(wrong)
            if wrong:
                print(f"{kind} {share:.0%}: {'; '.join(wrong)}", flush=True)
        print(f"{kind:10} {len(asked.shares)} full disks", flush=True)
    print(f"{failed} failures")
    return int(failed > 0)


def _asked() -> argparse.Namespace:
    folder = Path(tempfile.gettempdir()) / "lgm-full-disk"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of the room that a run takes")
    parser.add_argument("--folder", type=Path, default=folder, help="where it works")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
