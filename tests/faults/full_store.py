"""A store with every kind of file that a run folder or the cache has, made in a moment.

>>> store = full_store(folder)
>>> store.open(RUN).problems()
[]
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from lgm_core.base.files import append_line, read_json, write_json
from lgm_core.base.tensor_files import save_tensors
from lgm_core.cli.main import main
from lgm_core.datasets.group_files import add_group, read_collection
from lgm_core.datasets.groups import Group, Split
from lgm_core.jobs.tickets import new_ticket, write_ticket
from lgm_core.runs.frames import add_frame
from lgm_core.runs.marks import mark
from lgm_core.runs.store import RunFolder, RunStore
from tests.fake_disagreement import fake_disagreement
from tests.fake_findings import fake_card
from tests.fake_runs import REAL, fake_distill, fake_embed

RUN = "s-one"
RESULTS = {"sha256": "ab" * 32, "file": "m.safetensors", "source": "hub", "stand_in": "", "precision": "float32"}
DATA = {"train_images": 60, "test_images": 30, "split": "", "fingerprints": ["a", "b"]}


def full_store(cache_folder: Path) -> RunStore:
    """Runs of each kind, small, with sealed files as a worker writes them, their thumbnails, and a ticket."""
    store = RunStore(cache_folder / "runs")
    run = fake_distill(store, name=RUN, study="s", steps=12, frames=3)
    write_json(run.weights_file, {"mobilenet_v2": RESULTS}, sealed=True)
    write_json(run.data_file, DATA, sealed=True)
    write_json(run.labels_file, {"labels": list(range(10)), "classes": run.map()["classes"]}, sealed=True)
    _show_start(run)
    mark(run.marks_file, note="green", add=["figure 2"])
    run.ask("resume")
    save_tensors({"axes": torch.ones(2, 3)}, run.map_axes)
    save_tensors({"images": torch.zeros(10, 3, 8, 8, dtype=torch.uint8)}, run.start)
    fake_embed(store, run, name="map")
    fake_card(store, "mobilenet_v2", thumbs=fake_disagreement(store, name="align").alignment()["thumbs"], name="card")
    _collect(store)
    networks = fake_distill(store, "paused", name="networks", method="rcig", backbone="conv", steps=12, frames=3)
    for line in networks.frame_list():
        labels = {"labels": [[0.5] * 10] * 10, "label_rows": "images", "temperature": 1.0, "inner": [1.0], "solve": []}
        append_line(networks.details_file, {"step": line["step"], **labels})
    chosen = fake_distill(store, name="chosen", kind="baseline", baseline={"choice": "random"}, steps=1, frames=2)
    write_json(chosen.choice, {"indices": list(range(10))}, sealed=True)
    for path in cache_folder.rglob("*"):
        if path.suffix == ".safetensors":
            save_tensors({name: torch.from_numpy(value) for name, value in load_file(path).items()}, path,
                         {"next_step": "12"})  # fmt: skip
        elif path.parent.name == "evals" or path.name in ("map.json", "alignment.json"):
            write_json(path, read_json(path), None, sealed=True)
    main(["list", "runs"])  # writes the index
    write_ticket(new_ticket(cache_folder / "slots" / "queue", networks), networks, ["nowhere-0"], {})
    return store


def _collect(store: RunStore) -> None:
    """A collection of groups, and a run that has kept its state."""
    folder, images = store.root.parent / "groups", Split("imagenette", "test", "0123456789ab", REAL)
    add_group(folder, "mine", Group(name="few", images=images, indices=(1, 2, 3), page="embeddings", query="view=b"))
    found = read_collection(folder, "mine")
    run = fake_distill(store, name="grouped", dataset=found.dataset, steps=1, frames=2)
    write_json(run.groups_file, {found.dataset: found.values()}, sealed=True)


def _show_start(run: RunFolder) -> None:
    """The set before the first step, the first line of the frames."""
    frames = run.frame_list()
    run.frame_index.unlink()
    add_frame(np.zeros((10, 16, 16, 3), np.uint8), -1, run.frame_index)
    for line in frames:
        append_line(run.frame_index, line)
