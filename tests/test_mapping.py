"""Where the images lie: the map and trail of a distillation, thumbnails, and the runs that embed and align."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lgm_core.analysis.projection import Pca, fit_pca
from lgm_core.analysis.thumbnails import PER_PAGE, Thumbnails, drawing
from lgm_core.analysis.trail import Trail, clean_features
from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.config import RunConfig
from lgm_core.datasets.image_set import ArrayImages, load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.spread import spread
from lgm_core.engine import start, work
from lgm_core.presets import change
from lgm_core.runs.recorder import Recorder
from lgm_core.runs.store import RunFolder
from lgm_core.workbench import Workbench


def finish(config: RunConfig, here: Places) -> RunFolder:
    run = start(config, here)
    assert work(run, here) == "finished"
    return run


@pytest.fixture
def distilled(small_run: RunConfig, here: Places) -> RunFolder:
    return finish(change(small_run, {"name": "one", "record": {"map_images": 20}}), here)


@pytest.mark.slow
def test_the_trail_has_a_line_per_frame_on_a_map_that_never_changes(distilled, here):
    known, trail = distilled.map(), distilled.trail()
    assert [-1, *(line["step"] for line in trail)] == [frame["step"] for frame in distilled.frame_list()]
    assert len(known["indices"]) == len(known["labels"]) == len(known["points"]) == 20
    assert known["split"] == "train" and len(known["classes"]) == 10 and sum(known["explained"]) <= 1.0001
    for line in trail:
        assert np.shape(line["points"]) == (10, 2) and np.shape(line["nearest"]) == np.shape(line["similarity"]) == (
            10,
            5,
        )
        assert set(np.ravel(line["nearest"])) <= set(known["indices"]) and min(line["radius"]) > 0
        assert all(row == sorted(row, reverse=True) for row in line["similarity"])
    assert trail[0]["points"] != trail[-1]["points"]
    assert (here.thumbs / known["thumbs"] / "index.json").exists()


def test_the_last_mark_is_where_the_result_lies(distilled, here):
    """Computed once more, from the files and the definition."""
    with Recorder(distilled, distilled.config().record, steps=18) as recorder:
        bench = Workbench(distilled.config(), here, recorder)
        backbone = bench.backbone(bench.config.backbone)
        known, last = distilled.map(), distilled.trail()[-1]
        result = load_file(distilled.synthetic)
        features = bench.seen_clean(result["images"], backbone).cpu()
        indices = torch.tensor(known["indices"])
        real = clean_features(bench, bench.train, indices, backbone)
        axes = load_file(distilled.map_axes)
        pca = Pca(axes["mean"], axes["axes"], axes["explained"])
        assert torch.allclose(pca.project(features), torch.tensor(last["points"]), rtol=1e-3, atol=1e-5)
        assert torch.allclose(pca.project(real), torch.tensor(known["points"]), rtol=1e-3, atol=1e-5)
        similarity = torch.cosine_similarity(features[:, None], real[None], dim=-1)
        assert last["nearest"] == indices[similarity.topk(5).indices].tolist()
        labels = torch.tensor(known["labels"])
        own = real[labels == 3]
        spread_of_own = (own - own.mean(dim=0)).norm(dim=1).mean()
        assert last["radius"][3] == pytest.approx(
            float((features[3] - own.mean(dim=0)).norm() / spread_of_own), rel=1e-3
        )


@pytest.mark.slow
def test_a_resumed_run_keeps_its_map(distilled, here):
    before = distilled.map_file.read_bytes(), distilled.map_axes.read_bytes()
    with Recorder(distilled, distilled.config().record, steps=18) as recorder:
        bench = Workbench(distilled.config(), here, recorder)
        result = load_file(distilled.synthetic)
        Trail(bench, distilled.config(), recorder, here.thumbs).mark(17, result["images"], result["labels"])
    assert (distilled.map_file.read_bytes(), distilled.map_axes.read_bytes()) == before


def test_the_trail_after_the_checkpoint_is_forgotten(tmp_path):
    run = RunFolder(tmp_path / "run")
    with Recorder(run, RunConfig().record, steps=9) as recorder:
        for step in range(6):
            recorder.trail(step, {"points": []})
        recorder.checkpoint(4, {"x": torch.ones(2)})
    with Recorder(run, RunConfig().record, steps=9) as recorder:
        recorder.restore()
    assert [line["step"] for line in run.trail()] == [0, 1, 2, 3]


@pytest.mark.slow
def test_map_and_thumbnails_can_be_switched_off_and_change_no_bit(small_run, distilled, here, tmp_path):
    other = replace(here, cache=tmp_path / "other")
    run = finish(change(small_run, {"record": {"map_images": 0, "thumbnails": False}}), other)
    assert not run.map_file.exists() and not run.trail_file.exists() and not other.thumbs.exists()
    assert run.synthetic.read_bytes() == distilled.synthetic.read_bytes()


def test_real_and_synthetic_images_are_seen_alike(small_run, small_weights, here):
    """A real image of the resized size, given as a synthetic one, has the features of the bank."""
    run = start(change(small_run, {"backbone": small_weights, "data": {"resize": 256}}), here)
    with Recorder(run, small_run.record, steps=18) as recorder:
        bench = Workbench(run.config(), here, recorder)
        backbone = bench.backbone(bench.config.backbone)
        side = round(256 * backbone.input_size / 224)
        real = clean_features(bench, bench.train, torch.arange(4), backbone)
        same = bench.seen_clean(bench.pictures(bench.train, torch.arange(4), side), backbone).cpu()
        assert torch.cosine_similarity(real, same).min() > 0.999


def test_thumbnails_hold_every_image_in_its_place(tmp_path, here):
    train, _ = open_dataset("digits", here.datasets)
    recorder = Recorder(RunFolder(tmp_path / "run"), RunConfig().record, steps=1)
    thumbnails = Thumbnails(train, "digits", "train", here.thumbs)
    with recorder, drawing(thumbnails, recorder):
        pass
    index = json.loads(thumbnails.index_file.read_text())
    assert index["count"] == len(train) == len(index["origins"]) and index["labels"] == train.labels.tolist()
    assert thumbnails.key == f"digits-train-{train.fingerprint[:12]}" and len(index["pages"]) == 2
    chosen = [0, 31, 32, PER_PAGE - 1, PER_PAGE, len(train) - 1]
    squares = load_squares(train, chosen, 64, 64).numpy()
    for image, square in zip(chosen, squares, strict=True):
        page, tile = divmod(image, index["per_page"])
        y, x = divmod(tile, index["columns"])
        with Image.open(here.thumbs / thumbnails.key / index["pages"][page]) as sheet:
            drawn = np.asarray(sheet.convert("RGB").crop((x * 64, y * 64, x * 64 + 64, y * 64 + 64)))
        assert np.abs(drawn.astype(float) - square.transpose(1, 2, 0)).mean() < 12
    before = [page.stat().st_mtime_ns for page in sorted(thumbnails.index_file.parent.glob("*.webp"))]
    again = Thumbnails(train, "digits", "train", here.thumbs)
    again.begin()
    assert not again.is_drawing()
    assert before == [page.stat().st_mtime_ns for page in sorted(thumbnails.index_file.parent.glob("*.webp"))]


def _drawn(thumbnails: Thumbnails) -> None:
    """In the thread that is its place: it lowers its own priority."""
    thumbnails.begin()
    while thumbnails.is_drawing(wait=1.0):
        pass


def test_of_a_large_split_only_some_are_drawn_and_a_broken_image_ends_it_quietly(here, monkeypatch):
    monkeypatch.setattr("lgm_core.analysis.thumbnails.MOST", 10)
    train, _ = open_dataset("digits", here.datasets)
    thumbnails = Thumbnails(train, "digits", "train", here.thumbs)
    _drawn(thumbnails)
    with Image.open(here.thumbs / thumbnails.key / "0000.webp") as sheet:
        drawn = np.asarray(sheet.convert("L")).reshape(32, 64, 32, 64).std(axis=(1, 3)) > 20
    assert drawn.sum() <= 10 and {i for i in spread(train.labels, 10).tolist() if i < PER_PAGE} == set(
        np.flatnonzero(drawn.ravel()).tolist()
    )
    broken = Thumbnails(train, "broken", "train", here.thumbs)

    def fail(*arguments: object, **options: object) -> None:
        raise UserError("the image x is corrupt")

    monkeypatch.setattr("lgm_core.analysis.thumbnails.load_squares", fail)
    _drawn(broken)
    assert not broken.index_file.exists()


def test_a_spread_covers_the_classes_and_grows_by_adding():
    labels = torch.tensor([0] * 100 + [1] * 5 + [2] * 50)
    few, more = spread(labels, 12), spread(labels, 60)
    assert torch.bincount(labels[few]).tolist() == [4, 4, 4] and set(few.tolist()) <= set(more.tolist())
    assert torch.bincount(labels[more])[1] == 5 and len(spread(labels, 999)) == 155
    assert few[:4].tolist() != [0, 1, 2, 3]  # not just the first ones


@pytest.mark.slow
def test_an_embed_run_places_sources_among_the_real_images(small_run, distilled, here):
    chosen = finish(change(small_run, {"kind": "baseline", "baseline": {"choice": "random"}, "name": "two"}), here)
    config = change(
        small_run,
        {"kind": "embed", "sources": ["one", "two"], "embed": {"split": "train", "k": 7, "umap_neighbours": 5}},
    )
    run = finish(config, here)
    found = run.map()
    n = len(found["indices"])
    assert n == 30 == len(found["pca"]) == len(found["umap"]) == len(found["wrong"]) == len(found["distance"])
    assert np.isfinite(found["umap"]).all() and min(found["wrong"]) >= 0 and max(found["wrong"]) <= 1
    assert set(found["sources"]) == {"one", "two"} and found["groups"] is None
    for source in found["sources"].values():
        assert np.shape(source["pca"]) == np.shape(source["umap"]) == (10, 2)
        assert np.shape(source["nearest"]) == np.shape(source["nearest_labels"]) == (10, 7)
        own = [found["labels"][found["indices"].index(i)] for i in source["centroid"]]
        assert own == source["labels"] == [found["labels"][found["indices"].index(i)] for i in source["random"]]
    real = found["sources"]["two"]  # these are training images themselves, seen at 32 px
    assert [row[0] for row in real["nearest"]].count(0) <= 10 and sum(real["own_rank"]) < 60
    picked = json.loads(chosen.choice.read_text())["indices"]
    hits = [index in row for index, row in zip(picked, real["nearest"], strict=True)]
    assert sum(hits) >= 5
    (kept,) = here.maps.iterdir()
    written = kept.stat().st_mtime_ns
    near = load_file(run.near_file)
    assert near["indices"].shape == near["similarity"].shape == (30, 7) and near["indices"].dtype == torch.int32
    assert not (near["indices"] == torch.tensor(found["indices"])[:, None]).any()  # no image is its own neighbour
    assert set(near["indices"].flatten().tolist()) <= set(found["indices"])
    assert (near["similarity"].diff(dim=1) <= 0).all() and near["similarity"].max() <= 1
    again = finish(replace(config, sources=("two",)), here)
    assert again.map()["umap"] == found["umap"] and kept.stat().st_mtime_ns == written


@pytest.fixture
def quick_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """PCA in UMAP's place, which compiles for ten seconds; `test_analysis` and the proof above have the real one."""
    monkeypatch.setattr(
        "lgm_core.analysis.embedding.umap_points", lambda features, **_: fit_pca(features).project(features)
    )


def test_an_embed_run_without_sources_or_with_wrong_ones(small_run, here, quick_umap):
    run = finish(change(small_run, {"kind": "embed", "embed": {"umap_neighbours": 5}}), here)
    assert run.map()["wrong"] is None and run.map()["sources"] == {}
    with pytest.raises(UserError, match="there are no runs|unknown"):
        work(start(change(small_run, {"kind": "embed", "sources": ["nothing"]}), here), here)


def test_groups_come_along(here, small_run, monkeypatch, quick_umap):
    digits, test = open_dataset("digits", here.datasets)
    assert isinstance(digits, ArrayImages)
    digits.groups, digits.group_names = digits.labels % 2, ("even", "odd")
    monkeypatch.setattr("lgm_core.workbench.open_dataset", lambda *a, **k: (digits, test))
    config = change(small_run, {"kind": "embed", "embed": {"split": "train", "images": 30, "umap_neighbours": 5}})
    run = finish(config, here)
    assert [g == label % 2 for g, label in zip(run.map()["groups"], run.map()["labels"], strict=True)] == [True] * 30
    assert run.map()["group_names"] == ["even", "odd"]
