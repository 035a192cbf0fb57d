"""The wnids of ImageNet: their order and their readable names, read from the tables that timm's wheel carries.

>>> class_names(["n01440764", "n02102040"])
('tench', 'English springer')
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

WNID = re.compile(r"n\d{8}")


@lru_cache(maxsize=1)
def imagenet_wnids() -> tuple[str, ...]:
    """The 1000 wnids of ILSVRC 2012 in the order of their class indices, which is alphabetical."""
    return tuple(_table("imagenet_synsets.txt").split())


def class_names(folders: Sequence[str]) -> tuple[str, ...]:
    """Readable names for folders that are all named by wnid; other folder names as they are.

    A name that two wnids share ("crane", the bird and the machine) carries its wnid: "crane (n02012849)".
    """
    if not all(WNID.fullmatch(folder) for folder in folders):
        return tuple(folders)
    words = _words()
    names = [words.get(folder, folder) for folder in folders]
    uses = Counter(names)
    return tuple(name if uses[name] == 1 else f"{name} ({folder})" for name, folder in zip(names, folders, strict=True))


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    lines = (line.split("\t", 1) for line in _table("imagenet_synset_to_lemma.txt").splitlines() if "\t" in line)
    return {wnid: lemmas.split(",")[0].strip() for wnid, lemmas in lines}


def _table(name: str) -> str:
    found = find_spec("timm")  # finds without importing: importing timm takes seconds
    if found is None or found.origin is None:
        raise ModuleNotFoundError("timm is not installed; it carries the tables of ImageNet's classes")
    return (Path(found.origin).parent / "data" / "_info" / name).read_text("utf-8")
