"""Stanford Dogs: Images/<wnid>-<breed>/*.jpg, with the split in two MATLAB lists.

>>> train, test = read_stanford_dogs(find_row("stanforddogs"), Path("/data/stanforddogs"))
>>> len(train), train.classes[0]
(12000, 'Chihuahua')
"""

from pathlib import Path

from scipy.io import loadmat

from lgm_core.datasets.catalog import DatasetRow
from lgm_core.datasets.image_set import FileImages
from lgm_core.datasets.listings import incomplete, listed_split, require_files


def read_stanford_dogs(row: DatasetRow, folder: Path) -> tuple[FileImages, FileImages]:
    """Train and test images by `train_list.mat` and `test_list.mat`; 100 training images of each of 120 breeds."""
    require_files(row, folder, ["Images", "train_list.mat", "test_list.mat"])
    lists = {split: _read_list(row, folder, f"{split}_list.mat") for split in ("train", "test")}
    breeds = sorted({file.split("/")[0] for files in lists.values() for file in files})
    number = {breed: label for label, breed in enumerate(breeds)}
    titles, splits = [breed.split("-", 1)[-1].replace("_", " ") for breed in breeds], []
    for split, files in lists.items():
        labels = [number[file.split("/")[0]] for file in files]
        splits.append(listed_split(row, folder, split, files, labels, breeds, classes=titles, below="Images"))
    return splits[0], splits[1]


def _read_list(row: DatasetRow, folder: Path, name: str) -> list[str]:
    try:
        return [str(file) for file in loadmat(folder / name, squeeze_me=True)["file_list"]]
    except Exception as error:  # scipy's parser meets a damaged file with errors of any kind
        raise incomplete(row, folder, f"{name} is corrupt ({error})") from error
