"""Whatever names, settings, lists, images and headers hold: read as what they are, or a sentence."""

import io
import json
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.base.files import readable_lines
from lgm_core.base.image_files import FORMATS, Unusable, open_image
from lgm_core.base.knobs import from_dict, to_dict
from lgm_core.base.names import file_name, why_no_name
from lgm_core.base.tensor_files import load_tensors
from lgm_core.config import RunConfig
from lgm_core.datasets.baselines import read_indices
from lgm_core.runs.damage import good_lines
from lgm_core.runs.old_configs import open_config
from tests.faults.examples import many

pytestmark = pytest.mark.examples
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=8,
)
PLAIN = to_dict(RunConfig())
GROUPS = [name for name, value in PLAIN.items() if isinstance(value, dict)]


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(tempfile.mkdtemp())


@many(3000)
@given(name=st.text(max_size=260))
def test_a_name_that_may_be_one_is_that_of_a_folder_beside_the_others(folder: Path, name: str):
    if not why_no_name(name):
        (folder / name).mkdir(exist_ok=True)
        assert (folder / name).parent == folder and name in {path.name for path in folder.iterdir()}
        (folder / name).rmdir()
    assert not set(file_name(name)) & set("/\\\0\n")


@many(2000)
@given(group=st.sampled_from([*GROUPS, ""]), changes=st.data())
def test_a_config_of_anything_is_opened_or_refused_and_what_is_opened_is_a_config(folder: Path, group: str, changes):
    names = list(PLAIN[group] if group else PLAIN)
    odd = changes.draw(st.dictionaries(st.one_of(st.sampled_from(names), st.text(max_size=9)), JSON, max_size=3))
    config = {**PLAIN, group: {**PLAIN[group], **odd}} if group else {**PLAIN, **odd}
    file = folder / "config.json"
    file.write_text(json.dumps({"config": config}))
    try:
        found = open_config(file).config
    except UserError:
        return
    assert from_dict(RunConfig, to_dict(found)) == found


@many(2000)
@example(content=b"0", kind=".json")
@example(content=b"[0.5]", kind=".json")
@given(content=st.one_of(st.binary(max_size=200), JSON.map(lambda v: json.dumps(v).encode())), kind=st.sampled_from(
    (".txt", ".json", ".npy")))  # fmt: skip
def test_a_list_of_numbers_of_images_is_one_or_is_refused(folder: Path, content: bytes, kind: str):
    file = folder / f"chosen{kind}"
    file.write_bytes(content)
    try:
        found = read_indices(file, 10)
    except UserError as error:
        assert file.name in str(error)
        return
    assert found.dtype == torch.int64 and len(found.unique()) == len(found) and 0 <= found.min() <= found.max() < 10


@many(2000)
@given(lines=st.lists(st.one_of(JSON.map(lambda v: json.dumps(v).encode()), st.binary(max_size=40)), max_size=6))
def test_lines_of_anything_are_read_or_counted(folder: Path, lines: list[bytes]):
    for name in ("metrics.jsonl", "trail.jsonl", "details.jsonl"):
        (folder / name).write_bytes(b"\n".join(lines) + b"\n")
        found, usable = readable_lines(folder / name), good_lines(folder / name)
        assert len(usable.good) + usable.damaged == len(found.good) + found.damaged
        assert all(isinstance(line["step"], int) for line in usable.good)


@many(3000, short=30)
@given(kind=st.sampled_from(FORMATS), place=st.floats(0, 1), content=st.binary(min_size=1, max_size=8))
def test_an_image_with_another_header_is_one_or_is_refused(kind: str, place: float, content: bytes):
    file = io.BytesIO()
    Image.new("RGB", (7, 5), (200, 100, 0)).save(file, kind)
    changed = bytearray(file.getvalue())
    start = int(place * min(len(changed), 64))
    changed[start : start + len(content)] = content
    try:
        with open_image(io.BytesIO(bytes(changed))) as image:
            image.load()
    except Unusable as error:
        assert str(error)


@many(3000, short=30)
@given(place=st.integers(0, 200), content=st.binary(min_size=1, max_size=30), length=st.integers(0, 400))
def test_a_file_of_tensors_with_another_header_is_one_or_is_refused(folder, place: int, content: bytes, length: int):
    from safetensors.torch import save

    changed = bytearray(save({"a": torch.arange(12.0).view(3, 4)}, {"next_step": "3"}))
    changed[place : place + len(content)] = content
    file = folder / "x.safetensors"
    file.write_bytes(changed[:length] if length < 100 else changed)
    try:
        assert all(isinstance(value, torch.Tensor) for value in load_tensors(file).values())
    except UserError as error:
        assert file.name in str(error)
