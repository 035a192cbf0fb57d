"""A sealed file: each bit of it, and each end that it could be cut at, is noticed; the same tensors, the same bytes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lgm_core.base.errors import DamagedFile
from lgm_core.base.files import read_json, write_json
from lgm_core.base.seals import require_whole
from lgm_core.base.tensor_files import load_tensors, save_tensors


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    save_tensors({"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.int64)}, tmp_path / "x", {"next_step": "7"})
    return tmp_path / "x"


def test_each_flipped_bit_and_each_cut_is_noticed(sealed: Path):
    whole = sealed.read_bytes()
    assert require_whole(sealed)["next_step"] == "7" and load_tensors(sealed)["a"].tolist() == [0, 1, 2, 3, 4, 5]
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        sealed.write_bytes(content)
        try:
            metadata = require_whole(sealed)
        except DamagedFile:
            continue
        assert "sha256" not in metadata, f"bit {bit}"  # the name of the digest itself: as of an earlier version
    for length in range(len(whole)):
        sealed.write_bytes(whole[:length])
        with pytest.raises(DamagedFile):
            require_whole(sealed)


def test_the_same_tensors_make_the_same_bytes(sealed: Path, tmp_path: Path):
    tensors = load_tensors(sealed)
    for name in map(str, range(5)):
        save_tensors(tensors, tmp_path / name, {"next_step": "7"})
        assert (tmp_path / name).read_bytes() == sealed.read_bytes()


def test_a_file_without_a_digest_passes(tmp_path: Path):
    save_file({"a": torch.ones(3)}, tmp_path / "old")
    assert require_whole(tmp_path / "old") == {} and load_tensors(tmp_path / "old")["a"].sum() == 3


def test_a_sealed_object_is_read_without_its_digest_and_not_with_another_value(tmp_path: Path):
    write_json(tmp_path / "x.json", {"top1": 0.75, "names": ["é"]}, sealed=True)
    assert read_json(tmp_path / "x.json") == {"top1": 0.75, "names": ["é"]}
    (tmp_path / "x.json").write_text((tmp_path / "x.json").read_text().replace("0.75", "0.76"))
    with pytest.raises(DamagedFile, match="differ from those written"):
        read_json(tmp_path / "x.json")
