"""ImageNet resized to 64 px: ten train_data_batch_<i>.npz and val_data.npz from image-net.org, and map_clsloc.txt.

The labels in the batches are 1-based and in the order of map_clsloc.txt, which is not ImageNet's usual (alphabetical)
order; here they are put into the usual one. The pickled variant is not read: to unpickle is to run what is in the file.

S side of the images, B images in a batch file.

>>> train, test = read_imagenet64(find_row("imagenet64"), Path("/data/imagenet64"))
>>> train.picture(0).size
(64, 64)
"""

import math
import os
import shutil
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from lgm_core.base.errors import UserError
from lgm_core.base.files import replacing
from lgm_core.base.regular_files import require_regular
from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import ArrayImages
from lgm_core.datasets.listings import incomplete, require_all_classes, require_files, table
from lgm_core.datasets.wordnet import class_names

BATCHES = 10
_MOST_LABELS, _MOST_SIDE = 10**6, 64  # in one batch file: the whole of ImageNet has 1.3 million images


def read_imagenet64(row: DatasetRow, folder: Path) -> tuple[ArrayImages, ArrayImages]:
    """Train and val images, memory-mapped. Compressed batches are unpacked once, beside themselves (1.6 GB each)."""
    require_files(row, folder, ["map_clsloc.txt"])
    order = [wnid for wnid, _ in sorted(_numbered(row, folder), key=lambda pair: pair[1])]
    wnids = sorted(order)
    label_of = np.array([wnids.index(wnid) for wnid in order])
    found = {path.name: path for path in sorted(folder.rglob("*.npz"))}
    wanted = {"train": [f"train_data_batch_{i}.npz" for i in range(1, BATCHES + 1)], "test": ["val_data.npz"]}
    splits = []
    for split, names in wanted.items():
        missing = [name for name in names if name not in found]
        if missing:
            raise incomplete(row, folder, f"{', '.join(missing)} missing (pickled batches are not read)")
        batches = [_read_batch(row, folder, found[name]) for name in names]
        theirs = np.concatenate([labels for _, labels in batches])
        if theirs.min() < 1 or theirs.max() > len(order):
            raise incomplete(row, folder, f"the {split} labels are not within 1 .. {len(order)}, as in map_clsloc.txt")
        labels = label_of[theirs - 1]
        require_all_classes(row, folder, labels.tolist(), wnids, split)
        splits.append(
            ArrayImages(
                name=f"{row.name}/{split}",
                shards=[images for images, _ in batches],
                labels=labels,
                classes=class_names(wnids),
            )
        )
    return splits[0], splits[1]


def _numbered(row: DatasetRow, folder: Path) -> list[tuple[str, int]]:
    lines = table(folder / "map_clsloc.txt", columns=3, row=row)
    pairs = [(wnid, int(number)) for wnid, number, _ in lines if number.isdigit()]
    if sorted(number for _, number in pairs) != list(range(1, len(lines) + 1)):
        raise incomplete(row, folder, f"map_clsloc.txt does not number its classes 1 .. {len(lines)}")
    return pairs


def _read_batch(row: DatasetRow, folder: Path, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [B, S, S, 3], a view of the file, and labels [B], 1-based."""
    require_regular(path)
    try:
        with ZipFile(path) as archive, archive.open("labels.npy") as file:  # np.load leaks a corrupt file's handle
            if archive.getinfo("labels.npy").file_size > _MOST_LABELS * 8:
                raise ValueError(f"more than {_MOST_LABELS} labels")
            labels = np.lib.format.read_array(file, allow_pickle=False).astype(np.int64)
        rows = _map_rows(path)
        side = math.isqrt(rows.shape[1] // 3)
    except UserError:
        raise
    except Exception as error:  # what the readers of broken zip files and arrays raise has no common name
        raise incomplete(row, folder, f"{path.name} is corrupt or not such a batch ({error})") from error
    if labels.ndim != 1 or rows.shape != (len(labels), 3 * side * side) or rows.dtype != np.uint8:
        raise incomplete(row, folder, f"{path.name} holds {rows.dtype} {rows.shape}, not bytes [B, 3*S*S]")
    return rows.reshape(len(labels), 3, side, side).transpose(0, 2, 3, 1), labels


def _map_rows(path: Path) -> np.ndarray:
    """The array "data" of an .npz as a memory map: in place if it is stored as it is, else unpacked beside it."""
    with ZipFile(path) as archive:
        member = archive.getinfo("data.npy")
        if member.compress_type == ZIP_STORED:
            return _map_member(path, member.header_offset)
        if member.file_size > _MOST_LABELS * 3 * _MOST_SIDE**2:
            raise ValueError(f"{member.file_size >> 30} GB of images")
        unpacked = path.with_suffix(".data.npy")
        if not _is_of(unpacked, path, member.file_size):
            try:
                with archive.open(member) as source, replacing(unpacked) as new:
                    with new.open("wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            except OSError as error:
                raise UserError(f"{path} is compressed and cannot be unpacked next to itself: {error}") from error
    return np.load(unpacked, mmap_mode="r", allow_pickle=False)


def _is_of(unpacked: Path, archive: Path, size: int) -> bool:
    """Was it unpacked from this archive: is it as large, and does it bear its time, within that of a file system?"""
    return (
        unpacked.exists()
        and unpacked.stat().st_size == size
        and abs(unpacked.stat().st_mtime - archive.stat().st_mtime) < 2
    )


def _map_member(path: Path, header: int) -> np.ndarray:
    with path.open("rb") as file:
        file.seek(header + 26)  # the zip format: two lengths, then a name and an extra field of these lengths
        lengths = file.read(4)
        file.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), os.SEEK_CUR)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read_header(file)
        if fortran or kind.hasobject:
            raise ValueError("the array is not stored as plain rows")
        return np.memmap(path, kind, "r", file.tell(), shape)
