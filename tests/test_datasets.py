"""The catalogue of data sets, the embedded ones, and how images become batches."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as transforms

from lgm_core.base.errors import ConfigError, Unavailable, UnknownName, UserError
from lgm_core.base.places import Places
from lgm_core.datasets.catalog import CATALOG, counted, find_folder, find_row, how_to_get, status
from lgm_core.datasets.image_set import ArrayImages, FileImages, Subset, limit_per_class, load_squares
from lgm_core.datasets.open import open_dataset
from tests.trees import image, split_folders

EMBEDDED = [name for name, row in CATALOG.items() if row.embedded]
WANTED = (
    "food101 artbench cub2011 flowers102 stanforddogs waterbirds spawrious cifar10 cifar100 tiny_imagenet mnist "
    "fashion_mnist aircraft imagenette imagewoof imagenet64 scenes details digits "
    "imagenet-birds imagenet-fruits imagenet-cats imagenet-imagenette imagenet-imagewoof "
    "imagenet-a imagenet-b imagenet-c imagenet-d imagenet-e imagenet-100 imagenet-1k"
)


def test_the_catalogue_has_what_was_asked_for():
    assert set(CATALOG) == set(WANTED.split())
    assert {name for name, row in CATALOG.items() if row.grouped} == {"waterbirds", "spawrious"}
    assert CATALOG["imagenet-a"].options["indices"] == (255, 376, 984, 364, 500, 986, 333, 576, 148, 135)


@pytest.mark.parametrize("name", CATALOG)
def test_each_row_is_complete(name):
    row = CATALOG[name]
    assert row.title and row.licence and row.citation and row.classes
    assert row.can_be_fetched or row.manual or row.embedded
    assert all(source.url.startswith("http") for source in row.sources)
    assert find_row(name) is row
    assert find_row(name.upper().replace("_", "-")) is row


@pytest.mark.parametrize("name", [name for name in CATALOG if name not in EMBEDDED])
def test_without_data_the_error_teaches(name, tmp_path):
    row = CATALOG[name]
    with pytest.raises(Unavailable) as error:
        open_dataset(name, [tmp_path / "a", tmp_path / "b"])
    said = str(error.value)
    assert repr(name) in said and str(tmp_path / "a") in said and str(tmp_path / "b") in said
    assert how_to_get(row, tmp_path / "b") in said
    assert (f"fetch {name}" if row.can_be_fetched else "image-net.org") in said
    wanted = "can be fetched" if row.can_be_fetched else "manual"
    assert status(row, Places(cache=tmp_path, weights=(), datasets=(tmp_path,))).startswith(wanted)


def test_names_are_forgiving_and_unknown_ones_get_the_nearest():
    assert find_row("imagenet_100").name == "imagenet-100"
    assert find_row("ImageNet_E").name == "imagenet-e"
    with pytest.raises(UnknownName, match="did you mean 'imagenette'"):
        find_row("imagenete")  # a slip, not the subset imagenet-e
    assert find_row("Stanford Dogs").name == "stanforddogs"
    assert find_row("imagenette") is not find_row("imagenet-imagenette")
    with pytest.raises(UnknownName, match="did you mean 'cifar10'"):
        find_row("cifra10")


def test_images_are_counted_beside_the_whole_split():
    assert counted("imagenette", 1200) == "1,200 of 3,925 test images"
    assert counted("imagenette", 3925) == "3,925 test images" and counted("folder:/x", 7, "train") == "7 train images"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Unavailable, match="nowhere does not exist"):
        open_dataset(f"folder:{tmp_path}/nowhere", [])


def test_roots_are_searched_in_order(tmp_path):
    for place in ("second", "first"):
        split_folders(tmp_path / place / "imagewoof", ("n02086240",))
    roots = [tmp_path / "none", tmp_path / "first", tmp_path / "second"]
    assert find_folder(find_row("imagewoof"), roots) == tmp_path / "first" / "imagewoof"


def test_the_catalogue_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import lgm_core.datasets.catalog as c; c.find_row('imagenet_a')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_need_nothing(name):
    row = CATALOG[name]
    for images, count in zip(open_dataset(name, []), (row.train, row.test), strict=True):
        assert len(images) == count and len(images.classes) == row.classes
        assert sorted(set(images.labels.tolist())) == list(range(len(images.classes)))
        assert load_squares(images, [0, len(images) - 1], 32, 32).shape == (2, 3, 32, 32)
        assert images.picture(3).mode == "RGB"


@pytest.mark.parametrize(("name", "low", "high"), [("scenes", 0.34, 0.61), ("details", 0.15, 0.31)])
def test_patches_are_the_same_everywhere_and_their_splits_are_disjoint(name: str, low: float, high: float):
    train, test = open_dataset(name, [])
    assert train.fingerprint == open_dataset(name, [])[0].fingerprint != test.fingerprint
    for label, file in enumerate(train.files):
        with Image.open(file) as photograph:
            width, height = photograph.size
        spans = []
        for images in (train, test):
            boxes = [box for box, own in zip(images.boxes, images.labels.tolist(), strict=True) if own == label]
            assert len(set(boxes)) > len(boxes) // 2
            for left, top, side in boxes:
                assert 0 <= left <= width - side and 0 <= top <= height - side
                assert low * min(width, height) <= side <= high * min(width, height)
            axis = 0 if width >= height else 1
            spans.append((min(box[axis] for box in boxes), max(box[axis] + box[2] for box in boxes)))
        assert spans[0][1] < spans[1][0], "train and test patches touch"


def test_digits_look_like_digits():
    train, _ = open_dataset("digits", [])
    zero, one = (
        load_squares(train, torch.nonzero(train.labels == d).flatten(), 8, 8).float().mean(0)[0] for d in (0, 1)
    )
    assert zero[4, 4] < 40 < one[4, 4]  # a nought is hollow
    assert 200 < load_squares(train, range(50), 8, 8).max() <= 255


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> FileImages:
    """Wide, tall, square, tiny and large; grey, palette with transparency, CMYK."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(301, 200), (97, 333), (64, 64), (9, 7), (1000, 640)]
    files = [image(folder / f"{i}.png", i, size).name for i, size in enumerate(sizes)]
    smooth = Image.open(image(folder / "seed.png", 5, (12, 8))).resize((400, 300), Image.Resampling.BICUBIC)
    for mode, name in (("L", "grey.jpg"), ("CMYK", "cmyk.jpg"), ("P", "palette.png"), ("RGB", "plain.jpg")):
        converted = smooth.convert(mode)
        if mode == "P":
            converted.save(folder / name, transparency=bytes(range(256)))
        else:
            converted.save(folder / name, quality=95)
        files.append(name)
    labels = list(range(len(files)))
    return FileImages(name="p", folder=folder, files=files, labels=labels, classes=files)


def oracle(picture: Image.Image, resize: int, crop: int) -> np.ndarray:
    """torchvision's Resize and CenterCrop, one after the other, on the whole image."""
    return np.asarray(transforms.center_crop(transforms.resize(picture, [resize]), [crop])).transpose(2, 0, 1)


@pytest.mark.parametrize(("resize", "crop"), [(48, 48), (64, 57), (256, 224)])
def test_squares_match_torchvision(pictures, resize, crop):
    batch = load_squares(pictures, range(len(pictures)), resize, crop)
    assert batch.dtype == torch.uint8
    for index in range(len(pictures)):
        difference = np.abs(batch[index].numpy().astype(int) - oracle(pictures.picture(index), resize, crop))
        reduced = pictures.files[index].endswith(".jpg") and resize <= 64  # decoded at half its size
        assert difference.max() <= 1 + reduced, pictures.origin(index)


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(pictures, tmp_path):
    Image.open(pictures.origin(8)).resize((3000, 2250), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg")
    images = FileImages(name="x", folder=tmp_path, files=["large.jpg"], labels=[0], classes=["c"])
    small, size = images.reduced(0, 2 * 64)
    assert size == (3000, 2250) and small.size == (375, 282)  # an eighth, and no less than twice the wanted side
    difference = np.abs(load_squares(images, [0], 64, 64)[0].numpy().astype(int) - oracle(images.picture(0), 64, 64))
    assert difference.max() <= 6 and difference.mean() < 1


def test_threads_do_not_change_the_result(pictures):
    def batch(threads: int, seed: int | None) -> torch.Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return load_squares(pictures, [3, 1, 4, 1, 5, 0] * 3, 40, 32, generator, threads=threads)

    assert torch.equal(batch(1, None), batch(7, None))
    assert torch.equal(batch(1, 0), batch(7, 0))
    assert not torch.equal(batch(1, 0), batch(1, 1))
    assert torch.equal(batch(2, None)[1], batch(2, None)[3])


def test_random_crops_reach_every_place():
    ramp = np.tile(np.arange(10, dtype=np.uint8)[None, :, None], (1, 10, 3)).repeat(10, 0).reshape(10, 10, 10, 3)
    images = ArrayImages(name="a", shards=[ramp], labels=[0] * 10, classes=["c"])
    batch = load_squares(images, [0] * 200, 10, 8, torch.Generator().manual_seed(0))
    assert set(batch[:, 0, 0, 0].tolist()) == {0, 1, 2}
    assert load_squares(images, [0], 10, 8)[0, 0, 0].tolist() == list(range(1, 9))


@pytest.mark.parametrize(("resize", "crop"), [(32, 33), (32, 0)])
def test_a_crop_that_does_not_fit_is_refused(pictures, resize, crop):
    with pytest.raises(ConfigError, match="does not fit"):
        load_squares(pictures, [0], resize, crop)


def test_a_corrupt_image_in_a_batch_is_named(tmp_path):
    image(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:300])
    images = FileImages(name="x", folder=tmp_path, files=["good.png", "bad.png"], labels=[0, 0], classes=["c"])
    with pytest.raises(UserError, match="bad.png"):
        load_squares(images, [0, 0, 1, 0], 16, 16)


def test_limit_per_class_is_balanced_nested_and_reproducible():
    labels = [0] * 9 + [1] * 4 + [2] * 6
    pixels = np.arange(19, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    images = ArrayImages(name="a", shards=[pixels[:7], pixels[7:]], labels=labels, classes=["x", "y", "z"])
    five, three = limit_per_class(images, 5, seed=1), limit_per_class(images, 3, seed=1)
    assert isinstance(five, Subset) and isinstance(three, Subset)
    assert torch.bincount(five.labels).tolist() == [5, 4, 5]
    assert set(three.indices.tolist()) < set(five.indices.tolist())
    assert five.fingerprint == limit_per_class(images, 5, seed=1).fingerprint != three.fingerprint
    assert five.fingerprint != limit_per_class(images, 5, seed=2).fingerprint
    assert limit_per_class(images, 0, seed=1) is images is limit_per_class(images, 9, seed=1)
    for index, original in enumerate(five.indices.tolist()):
        assert five.picture(index).getpixel((0, 0)) == (original,) * 3
        assert int(load_squares(five, [index], 4, 4)[0, 0, 0, 0]) == original


def test_real_imagenette_if_it_is_here():
    roots = [Path(part) for part in os.environ.get("LGM_DATASETS", "").split(os.pathsep) if part]
    if find_folder(find_row("imagenette"), roots) is None:
        pytest.skip("no imagenette below LGM_DATASETS")
    train, test = open_dataset("imagenette", roots, train_per_class=3)
    assert train.classes[:2] == ("tench", "English springer") and len(train) == 30
    assert len(test) >= 1000 and test.classes == train.classes
    batch = load_squares(train, range(30), 256, 224)
    picture = Image.open(io.BytesIO(Path(train.origin(4)).read_bytes())).convert("RGB")
    assert np.abs(batch[4].numpy().astype(int) - oracle(picture, 256, 224)).max() <= 1
