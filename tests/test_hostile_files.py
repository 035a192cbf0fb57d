"""Weights, published sets and batches of anybody's: each that is malformed is one sentence, and costs little."""

import json
import os
import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import msgpack
import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.numpy import save

from lgm_core.backbones.catalog import find_row
from lgm_core.backbones.open_names import complete
from lgm_core.backbones.stored import read_tensors
from lgm_core.base.errors import UserError
from lgm_core.datasets import catalog, resized_imagenet
from lgm_core.datasets.parquet_shards import Shards
from lgm_core.methods.rcig.published import read_published

WHOLE = save({"a": np.ones((2, 3), np.float32)}, {"architecture": "resnet18"})


def _with_header(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(24)


def _told(shape: object, offsets: object = (0, 24), dtype: object = "F32") -> bytes:
    return _with_header(json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode())


SAFETENSORS = {
    "empty": b"", "short": b"\1\2", "cut": WHOLE[:-4], "cut header": WHOLE[:20],
    "length 2**64": _with_header(b"{}", 2**64 - 1), "length 2**40": _with_header(b"{}", 2**40),
    "deep": _with_header(b'{"a":' + b"[" * 10_000), "not JSON": _with_header(b"{"), "a list": _with_header(b"[]"),
    "huge": _told([2**62, 2**62]), "negative": _told([-1]), "text": _told("x"), "beyond": _told([2, 3], [0, 2**60]),
    "backwards": _told([2, 3], [24, 0]), "no such type": _told([2, 3], dtype="F3"),
    "not UTF-8": _with_header(b'{"\xff":1}'), "metadata": _with_header(b'{"__metadata__":{"architecture":3}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", SAFETENSORS)
def test_malformed_safetensors_are_a_sentence(name: str, tmp_path: Path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(SAFETENSORS[name])
    for read in (lambda: read_tensors(file), lambda: complete(find_row(f"file:{file}"))):
        with pytest.raises(UserError, match=r"w.safetensors cannot be opened as weights \("):
            read()


def _pth(folder: Path, content: object) -> Path:
    torch.save(content, folder / "w.pth")
    return folder / "w.pth"


def test_a_small_file_makes_no_large_tensor(tmp_path: Path):
    for tensor in (torch.ones(1).expand(1 << 20, 1 << 20), torch.ones(1).as_strided((1 << 30,), (0,))):
        with pytest.raises(UserError, match="a has the shape .* the file holds fewer values"):
            read_tensors(_pth(tmp_path, {"a": tensor}))
    file = _pth(tmp_path, {"a": torch.zeros(1 << 20)})
    with ZipFile(file) as stored, ZipFile(tmp_path / "packed.pth", "w", ZIP_DEFLATED) as packed:
        for member in stored.infolist():
            packed.writestr(member.filename, stored.read(member))
    with pytest.raises(UserError, match="unpack to .* more than the file has"):
        read_tensors(tmp_path / "packed.pth")


@pytest.mark.parametrize("content", [{"a": torch.eye(2).to_sparse()}, {"a": torch.ones([1] * 9)}, [1, 2], 3])
def test_what_is_no_weights_is_a_sentence(content: object, tmp_path: Path):
    with pytest.raises(UserError, match="cannot be opened as weights|instead of named tensors"):
        read_tensors(_pth(tmp_path, content))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_pth_is_weights_or_a_sentence(seed: int, tmp_path: Path):
    """Of both formats: bytes changed at random, in the pickle above all."""
    random = np.random.default_rng(seed)
    file = tmp_path / "w.pth"
    state = {"state_dict": {f"layer{i}.weight": torch.ones(3, i + 1) for i in range(4)}}
    torch.save(state, file, _use_new_zipfile_serialization=seed % 2 == 0)
    damaged = bytearray(file.read_bytes())
    for place in random.integers(0, min(len(damaged), 900), 6):
        damaged[place] = random.integers(256)
    file.write_bytes(damaged)
    try:
        assert all(isinstance(value, torch.Tensor) for value in read_tensors(file).values())
    except UserError as error:
        assert "w.pth" in str(error)


def test_pipes_and_folders_are_no_weights(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pth")
    for file in (tmp_path / "pipe.pth", tmp_path):
        with pytest.raises(UserError, match="not a regular file"):
            read_tensors(file)
    with pytest.raises(UserError, match="give the path of a file"):
        read_published(tmp_path / "pipe.pth")


def _ext(shape: object, name: object = "float32", content: object = bytes(16)) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((shape, name, content)))


GOOD = {"x_proto": _ext([1, 2, 2, 1]), "y_proto": _ext([1, 4]), "log_temp": _ext([], content=bytes(4))}
PIXELS = [
    _ext([4]), _ext([1, 2, 2, 1], "O"), _ext([1, 2, 2, 1], "nothing"), _ext("x"), _ext([2**40] * 4), _ext([1, 4, 1, 1]),
    _ext([0, 2, 2, 1], content=b""), _ext([1, 2, 2, 1], "float32", "text"), _ext([-1, 2, 2, 1], "float64", bytes(64)),
    _ext([1, 2, 2, 1], content=b"\xff" * 16), None, {"x": {}}, 7, msgpack.ExtType(2, b"\xc0"),
    {"__msgpack_chunked_array__": True, "shape": {}, "chunks": {}},
]  # fmt: skip
TREES = {
    "deep": b"\x81\xa1a" * 5000, "many": b"\xdd\xff\xff\xff\xff", "empty": b"", "number": msgpack.packb(3),
    "params": msgpack.packb({"params": 3}), "step": msgpack.packb({"params": GOOD, "step": [1, 2]}),
    "steps": msgpack.packb({"params": GOOD, "step": -4}),
    "moments": msgpack.packb({"params": GOOD, "opt_state": {"mu": 1, "nu": 2}}),
    "targets": msgpack.packb({"params": GOOD | {"y_proto": _ext([2, 2])}, "step": 4}),
    "hidden": msgpack.packb({"params": GOOD, "ema_hidden": {"x_proto": _ext([1, 1, 4, 1])}, "step": 4}),
}  # fmt: skip
TREES |= {f"pixels {i}": msgpack.packb({"params": GOOD | {"x_proto": one}, "step": 4}) for i, one in enumerate(PIXELS)}


@pytest.mark.parametrize("name", TREES)
def test_malformed_published_sets_are_a_sentence(name: str, tmp_path: Path):
    file = tmp_path / "checkpoint_1"
    file.write_bytes(TREES[name])
    with pytest.raises(UserError, match="checkpoint_1 is not an RCIG checkpoint"):
        read_published(file)
    file.write_bytes(msgpack.packb({"params": GOOD, "step": 4}))
    assert read_published(file).values["pixels"].shape == (1, 1, 2, 2)


def _npz(file: Path, **members: bytes) -> Path:
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file


def _npy(array: np.ndarray, **changes: object) -> bytes:
    """An array as a file; `changes`: lies in its header."""
    told = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | changes
    header = repr(told).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + array.tobytes()


BATCH, ONES = np.zeros((2, 12), np.uint8), np.ones(2, np.int64)


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (_npy(BATCH, shape=(2**50, 12)), _npy(ONES)),
        (_npy(BATCH, shape=(2**62, 2**62)), _npy(ONES)),
        (_npy(BATCH, shape=(24,)), _npy(ONES)),
        (_npy(BATCH, descr="|O"), _npy(ONES)),
        (_npy(BATCH), _npy(ONES, shape=(2**50,))),
        (_npy(BATCH), _npy(ONES, shape=(1, 2))),
        (_npy(BATCH), _npy(ONES, descr="|O")),
        (_npy(BATCH), b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535),
        (b"", b""),
    ],
)
def test_malformed_batches_are_a_sentence(data: bytes, labels: bytes, tmp_path: Path):
    file = _npz(tmp_path / "val_data.npz", data=data, labels=labels)
    with pytest.raises(UserError, match=r"val_data.npz (is corrupt or not such a batch|holds)"):
        resized_imagenet._read_batch(catalog.find_row("imagenet64"), tmp_path, file)


@pytest.mark.parametrize("label", [["a", "b"], [0.5, 1.0], [None, 1]])
def test_labels_that_are_no_numbers_are_a_sentence(label: list, tmp_path: Path):
    (tmp_path / "data").mkdir()
    images = [{"bytes": b"", "path": ""}] * 2
    for about in (None, {b"huggingface": b"[" * 5000}, {b"huggingface": b'{"info": 3}'}):
        table = pyarrow.table({"image": images, "label": label}).replace_schema_metadata(about)
        parquet.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
        shards = Shards(catalog.find_row("imagenet-100"), tmp_path, "train")
        for read in (shards.labels, *([shards.names] if about else [])):
            with pytest.raises(UserError, match="is corrupt"):
                read()
