"""What is known of one data set: a row of the table (catalog.py). Needs no torch.

>>> DatasetRow(name="mine", title="Mine", reader="folders:read_folder", licence="own", citation="own").can_be_fetched
False
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to download. `into`: the subfolder of the data set's folder that it is unpacked in."""

    url: str
    filename: str = ""  # what to call it, where the URL does not say
    sha256: str = ""
    md5: str = ""
    into: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """What is known of a data set. It lies in ROOT/STORE/folder, ROOT/folder or ROOT/STORE, wherever `markers` are."""

    name: str
    title: str
    reader: str  # "module:function" in this room
    classes: int | None = None
    train: int | None = None  # images
    test: int | None = None
    licence: str
    citation: str
    folder: str = ""  # what the official archive is called once unpacked
    markers: tuple[str, ...] = ("train",)  # any one of these files or folders is there when the data are
    sharded: bool = False  # may lie in Parquet shards instead, data/train-*.parquet, as the model hub serves them
    stores: tuple[str, ...] = ()  # names below a root, where not just the data set's own
    options: Mapping[str, object] = field(default_factory=dict)  # passed on to the reader function
    torchvision: str = ""  # the class of torchvision that knows the layout, the addresses and the checksums
    sources: tuple[Source, ...] = ()
    megabytes: int | None = None  # to download
    manual: str = ""  # what to do where it cannot be fetched
    side: int | None = None  # pixels, where all images are squares of one size
    grouped: bool = False  # has groups, for worst-group accuracy
    grey: bool = False  # one channel is all there is
    embedded: bool = False  # carried by an installed package
    framed: bool = False  # another data set's images, in coloured frames (framed.py)
    collection: bool = False  # of groups of images of other data sets (groups.py)

    @property
    def can_be_fetched(self) -> bool:
        return bool(self.torchvision or self.sources)
