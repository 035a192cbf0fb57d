"""The finished example that the dashboard shows while there is no run of one's own: made anew, with real weights.

    python docs/experiments/example.py        # a minute on two cores; needs the weights that `make setup` fetches

The settings of `make demo` but for its judge, one run of it, judged by two backbones. What a reader needs is copied to
docs/example: the run's folder without checkpoint, log and traces of the machine, and the small pictures of the real
images on its map.
"""

import os
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from PIL import Image

from lgm_core.base.files import read_json, write_json

ROOT = Path(__file__).parents[2]
NAME = "example"
FLAGS = """
distill details mobilenet_v3_small --preset preview --evaluate-on mobilenet_v3_small mobilenet_v2 --protocol converged
--steps 150 --lgm.whiten full --lgm.objective cosine-per-class --probe.full-views 2
--record.frames 20 --record.map-images 600 --data.train-per-class 38 --synthetic.resolution 64
"""
LEFT_OUT = ("checkpoint.safetensors", "map.safetensors", "writer*", "control.json", ".notes.json.lock")


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LGM_CACHE"] = cache
        from lgm_core.cli.main import main as lgm

        assert lgm([*FLAGS.split(), "--name", NAME]) == 0
        target = ROOT / "docs" / "example"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(cache) / "runs" / NAME, target / "runs" / NAME, ignore=shutil.ignore_patterns(*LEFT_OUT))
        keep(target / "runs" / NAME)
        thumbs = read_json(target / "runs" / NAME / "map.json")["thumbs"]
        shutil.copytree(
            Path(cache) / "thumbs" / thumbs, target / "thumbs" / thumbs, ignore=shutil.ignore_patterns("lock")
        )
        for page in (target / "thumbs" / thumbs).glob("*.webp"):
            Image.open(page).convert("RGB").save(page, quality=40, method=6)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1024:.0f} kB")


def keep(path: Path) -> None:
    """Mark the run as an example, and take away what only this machine knows."""
    from lgm_core.base.tensor_files import load_tensors, save_tensors
    from lgm_core.runs.store import RunFolder

    run = RunFolder(path)
    written = read_json(run.config_file)
    known = ("lgm_core", "python", "torch")
    environment = {name: value for name, value in written["environment"].items() if name in known}
    write_json(run.config_file, written | {"environment": environment | {"example": True}})
    write_json(run.status_file, asdict(replace(run.status(), host="", pid=0, ticket="")))
    learned = load_tensors(run.synthetic)
    save_tensors(learned | {"images": learned["images"].half()}, run.synthetic)  # half the size, as good for 8 bits
    run.log_file.write_text("The example that comes with the program; made by docs/experiments/example.py\n")


if __name__ == "__main__":
    main()
