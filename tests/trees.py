"""Small data sets in the official layouts, written for a test: TREES[name](root) makes ROOT/<name>/... as unpacked."""

import csv
import gzip
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

WNIDS = ("n01440764", "n02102040")  # tench, English springer
NETTE = ("n01440764", "n02102040", "n02979186")


def image(path: Path, seed: int = 0, size: tuple[int, int] = (20, 16)) -> Path:
    """A little picture of noise, width x height, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "PNG" if path.suffix == ".png" else "JPEG")
    return path


def text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def split_folders(folder: Path, classes: tuple[str, ...], splits: tuple[str, str] = ("train", "val"), per: int = 2):
    for split in splits:
        for number, name in enumerate(classes):
            for i in range(per):
                image(folder / split / name / f"{name}_{i}.jpg", number * per + i)


def imagenette(root: Path) -> None:
    split_folders(root / "imagenette", NETTE)
    text(root / "imagenette" / "noisy_imagenette.csv", ["path,noisy_labels_0"])
    text(root / "imagenette" / "train" / WNIDS[0] / "notes.txt", ["not an image"])


def artbench(root: Path) -> None:
    split_folders(root / "artbench" / "artbench-10-imagefolder-split", ("baroque", "ukiyo_e"), ("train", "test"))


def imagenet_cats(root: Path) -> None:
    from lgm_core.datasets.catalog import find_row
    from lgm_core.datasets.wordnet import imagenet_wnids

    chosen = tuple(imagenet_wnids()[i] for i in find_row("imagenet-cats").options["indices"])
    split_folders(root / "imagenet", (*chosen, WNIDS[0]), per=1)


def tiny_imagenet(root: Path) -> None:
    folder = root / "tiny_imagenet" / "tiny-imagenet-200"
    text(folder / "wnids.txt", list(reversed(WNIDS)))
    for number, wnid in enumerate(WNIDS):
        for i in range(2):
            image(folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 2 * number + i)
    for i in range(4):
        image(folder / "val" / "images" / f"val_{i}.JPEG", i)
    text(folder / "val" / "val_annotations.txt", [f"val_{i}.JPEG\t{WNIDS[i % 2]}\t0\t0\t9\t9" for i in range(4)])


def cub2011(root: Path) -> None:
    folder = root / "cub2011" / "CUB_200_2011"
    birds = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    files = [f"{bird}/{bird[4:]}_{i}.jpg" for bird in birds for i in range(3)]
    for i, file in enumerate(files):
        image(folder / "images" / file, i)
    text(folder / "classes.txt", [f"{i} {bird}" for i, bird in enumerate(birds, 1)])
    text(folder / "images.txt", [f"{i} {file}" for i, file in enumerate(files, 1)])
    text(folder / "image_class_labels.txt", [f"{i} {1 + (i > 3)}" for i in range(1, 7)])
    text(folder / "train_test_split.txt", [f"{i} {int(i % 3 != 0)}" for i in range(1, 7)])


def stanforddogs(root: Path) -> None:
    folder = root / "stanforddogs"
    breeds = ["n02085620-Chihuahua", "n02085936-Maltese_dog"]
    for split, numbers in (("train", (0, 1)), ("test", (2, 3))):
        files = [f"{breed}/{breed[:9]}_{i}.jpg" for breed in breeds for i in numbers]
        for i, file in enumerate(files):
            image(folder / "Images" / file, i)
        cells = np.empty((len(files), 1), dtype=object)
        cells[:, 0] = files
        savemat(folder / f"{split}_list.mat", {"file_list": cells, "labels": np.array([[1], [1], [2], [2]])})


def waterbirds(root: Path) -> None:
    folder = root / "waterbirds" / "waterbirds_v1.0"
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["img_id", "img_filename", "y", "split", "place", "place_filename"])
        for i in range(12):
            name = f"001.Black_footed_Albatross/bird_{i}.jpg"
            image(folder / name, i)
            lines.writerow([i, name, i % 2, i // 4, (i // 2) % 2, "/b/bamboo_forest/00000113.jpg"])


def spawrious(root: Path) -> None:
    from lgm_core.datasets.spawrious import BREEDS, ELSEWHERE, TEST_AT, TRAIN_AT

    for environment in "01":
        for breed in BREEDS:
            for place in (TRAIN_AT[breed], TEST_AT[breed], ELSEWHERE):
                image(root / "spawrious" / "spawrious224" / environment / place / breed / f"{breed}_0.png")


def food101(root: Path) -> None:
    folder = root / "food101" / "food-101"
    for split, number in (("train", 0), ("test", 1)):
        lists = {dish: [f"{dish}/{number}{i}" for i in range(2)] for dish in ("apple_pie", "waffles")}
        for file in sum(lists.values(), []):
            image(folder / "images" / f"{file}.jpg")
        text(folder / "meta" / f"{split}.json", [json.dumps(lists)])


def flowers102(root: Path, patch) -> None:
    from torchvision.datasets import Flowers102

    folder = root / "flowers102" / "flowers-102"
    numbers = np.arange(1, 307)
    for number in (1, 103, 205):  # one of train, val and test each; the others are listed only
        image(folder / "jpg" / f"image_{number:05d}.jpg", number)
    savemat(folder / "imagelabels.mat", {"labels": 1 + (numbers - 1) % 102})
    savemat(folder / "setid.mat", {"trnid": numbers[:102], "valid": numbers[102:204], "tstid": numbers[204:]})
    sums = {"label": "imagelabels.mat", "setid": "setid.mat"}
    theirs = dict(Flowers102._file_dict)
    patch.setattr(Flowers102, "_file_dict", theirs | {key: (name, md5(folder / name)) for key, name in sums.items()})


def aircraft(root: Path) -> None:
    data = root / "aircraft" / "fgvc-aircraft-2013b" / "data"
    variants = ["707-320", "Tu 134"]
    text(data / "variants.txt", variants)
    for split, number in (("trainval", 0), ("test", 1)):
        text(data / f"images_variant_{split}.txt", [f"{number}{i} {name}" for i, name in enumerate(variants)])
        for i in range(2):
            image(data / "images" / f"{number}{i}.jpg", i)


def cifar(root: Path, patch, name: str = "cifar10") -> None:
    from torchvision import datasets

    theirs = getattr(datasets, name.upper())
    folder = root / name / theirs.base_folder
    folder.mkdir(parents=True)
    key = "labels" if name == "cifar10" else "fine_labels"
    names = [f"class_{i}" for i in range(10)]

    def write(file: str, content: dict) -> list[str]:
        (folder / file).write_bytes(pickle.dumps(content))
        return [file, md5(folder / file)]

    pixels = np.random.default_rng(0).integers(0, 256, (10, 3072), dtype=np.uint8)
    for listed in ("train_list", "test_list"):
        files = [file for file, _ in getattr(theirs, listed)]
        patch.setattr(theirs, listed, [write(file, {"data": pixels, key: list(range(10))}) for file in files])
    file, sum_ = write(theirs.meta["filename"], {theirs.meta["key"]: names})
    patch.setattr(theirs, "meta", theirs.meta | {"md5": sum_})


def cifar100(root: Path, patch) -> None:
    cifar(root, patch, "cifar100")


def mnist(root: Path, name: str = "mnist", folder: str = "MNIST", packed: bool = False) -> None:
    raw = root / name / folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):
        pixels = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8).tobytes()
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (10, 28, 28))
        files = {"images-idx3": head + pixels, "labels-idx1": b"\0\0\x08\x01\0\0\0\x0a" + bytes(range(10))}
        for kind, content in files.items():
            target = raw / f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}"
            target.write_bytes(gzip.compress(content) if packed else content)


def fashion_mnist(root: Path) -> None:
    mnist(root, "fashion_mnist", "FashionMNIST")


def imagenet64(root: Path) -> None:
    folder = root / "imagenet64"
    text(folder / "map_clsloc.txt", [f"{WNIDS[1]} 1 English_springer", f"{WNIDS[0]} 2 tench"])
    for i in range(1, 12):
        pixels = np.full((2, 3 * 64 * 64), i, dtype=np.uint8)
        pixels[:, : 64 * 64] = 200 + i  # the red plane comes first
        save = np.savez_compressed if i % 2 else np.savez
        name = f"train_data_batch_{i}" if i < 11 else "val_data"
        save(folder / f"{name}.npz", data=pixels, labels=np.array([1, 2]), mean=np.zeros(3 * 64 * 64))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


TREES = {  # data set: how to write it (`patch` where checksums must be those of the toy)
    "imagenette": imagenette, "artbench": artbench, "imagenet-cats": imagenet_cats, "tiny_imagenet": tiny_imagenet,
    "cub2011": cub2011, "stanforddogs": stanforddogs, "waterbirds": waterbirds, "spawrious": spawrious,
    "food101": food101, "flowers102": flowers102, "aircraft": aircraft, "cifar10": cifar, "cifar100": cifar100,
    "mnist": mnist, "fashion_mnist": fashion_mnist, "imagenet64": imagenet64,
}  # fmt: skip
PATCHED = {"flowers102", "cifar10", "cifar100"}
CLASSES = {"imagenette": 3, "imagenet-cats": 10, "spawrious": 4, "flowers102": 102} | dict.fromkeys(
    ("cifar10", "cifar100", "mnist", "fashion_mnist"), 10
)  # two in all others


def write(name: str, root: Path, patch) -> None:
    """Write the tree of one data set below `root`."""
    if name in PATCHED:
        TREES[name](root, patch)
    else:
        TREES[name](root)
