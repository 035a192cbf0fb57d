"""Banks of features: right, computed once, taken up where they stopped, keyed by all that they depend on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lgm_core.backbones.augment import Augment
from lgm_core.backbones.features import Bank, Recipe, as_images, view_features
from lgm_core.base.device import Compute
from lgm_core.base.interfaces import ImageSet
from lgm_core.base.settings import AugmentConfig
from lgm_core.datasets.image_set import ArrayImages, FileImages, Subset, load_squares
from tests.conftest import ToyBackbone

AUGMENTED = Recipe(views=3, augment=AugmentConfig(), resize=252, batch=4)  # 252 px at 224: 18 px at the toy's 16


@pytest.fixture
def pictures() -> ArrayImages:
    random = np.random.default_rng(0)
    labels = [0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
    pixels = random.integers(0, 255, (11, 20, 20, 3), dtype=np.uint8)
    return ArrayImages(name="toy/train", shards=[pixels], labels=labels, classes=("a", "b", "c"))


class Count:
    """Counts images, and dies at one of them if asked to."""

    def __init__(self, die_at: int = 10**9) -> None:
        self.calls, self.die_at = 0, die_at

    def __call__(self, done: int, total: int) -> None:
        self.calls += 1
        if done >= self.die_at:
            raise KeyboardInterrupt


def _open(pictures, toy, recipe, folder: Path, compute: Compute, count: Count) -> Bank:
    return Bank.open_or_compute(pictures, toy, recipe, folder, compute, count)


def test_clean_bank_holds_the_features_of_the_centre_crops(pictures, toy, compute, tmp_path):
    bank = _open(pictures, toy, Recipe(batch=4), tmp_path, compute, Count())
    squares = as_images(load_squares(pictures, list(range(11)), 18, 16), compute.device)
    torch.testing.assert_close(bank.features[:, 0].float(), toy(squares), atol=2e-3, rtol=2e-3)


def test_bank_is_computed_once(pictures, toy, compute, tmp_path):
    first, second = Count(), Count()
    _open(pictures, toy, AUGMENTED, tmp_path, compute, first)
    _open(pictures, toy, AUGMENTED, tmp_path, compute, second)
    assert first.calls > 0 and second.calls == 0


def test_a_bank_of_images_that_were_replaced_is_computed_again(toy, compute, tmp_path):
    """Files of the same names and sizes: nothing but their bytes tells."""

    def opened() -> tuple[ImageSet, Count, list[str]]:
        images = FileImages(name="x", folder=tmp_path, files=names, labels=[0, 0, 1, 1], classes=["a", "b"])
        every, few, notes = Count(), Subset(images, [1, 2], "few"), []
        for part in (images, few):
            Bank.open_or_compute(part, toy, AUGMENTED, tmp_path / "banks", compute, every, notes.append)
        return images, every, notes

    names = [f"{number}.bmp" for number in range(4)]
    for number, name in enumerate(names):
        Image.new("RGB", (20, 20), (20 * number,) * 3).save(tmp_path / name)
    before, every, _ = opened()
    assert every.calls and opened()[1].calls == 0
    for file in tmp_path.glob("banks/*/images.json"):  # banks of earlier versions pass
        file.unlink()
    assert opened()[1].calls == 0
    Image.new("RGB", (20, 20), "white").save(tmp_path / names[2])
    after, every, notes = opened()
    assert after.fingerprint == before.fingerprint and after.content != before.content
    assert every.calls and len(notes) == 2 and "the images have changed" in notes[0]
    (tmp_path / names[2]).unlink()
    gone = FileImages(name="x", folder=tmp_path, files=names, labels=[0, 0, 1, 1], classes=["a", "b"])
    assert gone.content == ""  # not known; whoever reads it says that it is missing


def test_a_bank_taken_up_again_has_the_same_bits(pictures, toy, compute, tmp_path):
    whole = _open(pictures, toy, AUGMENTED, tmp_path / "whole", compute, Count())
    with pytest.raises(KeyboardInterrupt):
        _open(pictures, toy, AUGMENTED, tmp_path / "parts", compute, Count(die_at=4))
    rest = Count()
    parts = _open(pictures, toy, AUGMENTED, tmp_path / "parts", compute, rest)
    assert rest.calls == 3  # 4 of 11 were there: the start, 8, 11
    assert torch.equal(whole.features, parts.features)


def test_what_is_done_of_a_bank_is_appended_to_and_half_a_line_of_it_is_a_batch_to_do_again(
    pictures, toy, compute, tmp_path
):
    """A million images are 20,000 batches: a list that is written anew with each would take longer than they do."""
    files = set()

    def look(done: int, total: int) -> None:
        files.update((file.name, file.stat().st_ino) for file in tmp_path.glob("parts/*/done*"))
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bank.open_or_compute(pictures, toy, AUGMENTED, tmp_path / "parts", compute, look)
    (done,) = tmp_path.glob("parts/*/done.jsonl")
    assert len(files) == 1 and len(done.read_text().splitlines()) == 2
    done.write_bytes(done.read_bytes()[:-9])
    rest = Count()
    parts = _open(pictures, toy, AUGMENTED, tmp_path / "parts", compute, rest)
    assert rest.calls == 3  # 4 of 11 were there: the start, 8, 11
    assert torch.equal(_open(pictures, toy, AUGMENTED, tmp_path / "whole", compute, Count()).features, parts.features)


@pytest.mark.parametrize(
    "change", [{"views": 2}, {"seed": 1}, {"augment": AugmentConfig(flip=False)}, {"normalisation": "imagenet"}]
)
def test_another_recipe_is_another_bank(change, pictures, toy, compute, tmp_path):
    _open(pictures, toy, AUGMENTED, tmp_path, compute, Count())
    count = Count()
    _open(pictures, toy, Recipe(**{**vars(AUGMENTED), **change}), tmp_path, compute, count)
    assert count.calls > 0


def test_other_weights_are_another_bank(pictures, toy, compute, tmp_path):
    _open(pictures, toy, AUGMENTED, tmp_path, compute, Count())
    count = Count()
    _open(pictures, ToyBackbone(seed=1), AUGMENTED, tmp_path, compute, count)
    assert count.calls > 0


def test_a_bank_is_plain_safetensors(pictures, toy, compute, tmp_path):
    bank = _open(pictures, toy, AUGMENTED, tmp_path, compute, Count())
    (path,) = tmp_path.rglob("*.safetensors")
    assert torch.equal(load_file(path)["features"], bank.features)


def test_class_means_and_weights(pictures, toy, compute, tmp_path):
    bank = _open(pictures, toy, AUGMENTED, tmp_path, compute, Count())
    rows = bank.features.float()
    for label in range(3):
        expected = rows[bank.labels == label].mean(dim=(0, 1))
        torch.testing.assert_close(bank.class_means()[label], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bank.prior(balanced=False), torch.tensor([5, 2, 4]) / 11)
    torch.testing.assert_close(bank.prior(balanced=True), torch.full((3,), 1 / 3))
    assert bank.row_weights(balanced=True).sum() == pytest.approx(1)


def test_views_in_memory_do_not_depend_on_the_batch(toy, compute):
    images = torch.rand(5, 3, 18, 18)
    augment = Augment(AugmentConfig(), side=16, seed=0, device="cpu")
    one, other = (view_features(images, toy, augment, compute, views=4, batch=b, seed=1) for b in (3, 64))
    torch.testing.assert_close(one, other)
    assert one.shape == (5, 4, 12)
