"""Which archives make up a data set; the addresses and checksums that torchvision has are read from its classes.

>>> official_sources(find_row("cifar10"))[0].md5
'c58f30108f718f92721af3b95e74349a'
"""

import torchvision.datasets as official

from lgm_core.datasets.catalog import DatasetRow, Source

# torchvision has no checksum for this one; the sum is the one that TensorFlow Datasets registered (fgvc.txt)
AIRCRAFT_SHA256 = "d5f68b1b81d6d7831eb9d5c5517074176b5dfbce6bcb43dc14ed1c66a87b8d75"


def official_sources(row: DatasetRow) -> tuple[Source, ...]:
    """The files to download for `row`; empty where it cannot be fetched."""
    return _FROM_TORCHVISION[row.torchvision](row) if row.torchvision else row.sources


def _cifar(row: DatasetRow) -> tuple[Source, ...]:
    cifar = getattr(official, row.torchvision)
    return (Source(url=cifar.url, md5=cifar.tgz_md5),)


def _mnist(row: DatasetRow) -> tuple[Source, ...]:
    mnist = getattr(official, row.torchvision)
    return tuple(
        Source(url=f"{mnist.mirrors[0]}{name}", md5=md5, into=f"{row.folder}/raw") for name, md5 in mnist.resources
    )


def _food(row: DatasetRow) -> tuple[Source, ...]:
    return (Source(url=official.Food101._URL, md5=official.Food101._MD5),)


def _flowers(row: DatasetRow) -> tuple[Source, ...]:
    flowers = official.Flowers102
    return tuple(
        Source(url=f"{flowers._download_url_prefix}{name}", md5=md5, into=row.folder)
        for name, md5 in flowers._file_dict.values()
    )


def _aircraft(row: DatasetRow) -> tuple[Source, ...]:
    return (Source(url=official.FGVCAircraft._URL, sha256=AIRCRAFT_SHA256),)


def _imagenette(row: DatasetRow) -> tuple[Source, ...]:
    url, md5 = official.Imagenette._ARCHIVES["320px"]  # enough for encoders of 224 px, at a fifth of the full size
    return (Source(url=url, md5=md5),)


_FROM_TORCHVISION = {
    "CIFAR10": _cifar,
    "CIFAR100": _cifar,
    "MNIST": _mnist,
    "FashionMNIST": _mnist,
    "Food101": _food,
    "Flowers102": _flowers,
    "FGVCAircraft": _aircraft,
    "Imagenette": _imagenette,
}
