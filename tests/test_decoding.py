"""Images as they are stored become RGB: what 16-bit and float pixels mean, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from lgm_core.base.errors import UserError
from lgm_core.datasets.image_set import FileImages, load_squares


def test_grey_images_of_16_bits_and_floats_are_neither_white_nor_black(tmp_path):
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(np.round(ramp * 65535).astype(np.uint16)).save(tmp_path / "sixteen.png")
    Image.fromarray(np.round(ramp * 65535).astype(">u2")).save(tmp_path / "sixteen.tif")
    Image.fromarray(ramp).save(tmp_path / "float.tif")
    Image.fromarray(np.round(ramp * 255).astype(np.uint8)).save(tmp_path / "bytes.png")
    files = ["bytes.png", "sixteen.png", "sixteen.tif", "float.tif"]
    first, *others = load_squares(
        FileImages(name="x", folder=tmp_path, files=files, labels=[0] * 4, classes="c"), range(4), 16, 16
    )
    assert first.unique().tolist() == list(range(256)) and all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(
    "values", [np.float32([[0, 255]]), np.float32([[-1, 1]]), np.float32([[np.nan, 1]]), np.int32([[0, 70000]])]
)
def test_numbers_of_an_unknown_range_are_refused_with_a_sentence(values, tmp_path):
    Image.fromarray(values).save(tmp_path / "scan.tif")
    images = FileImages(
        name="x", folder=tmp_path, files=["scan.tif"], labels=[0], classes="c", remedy="save it as 8-bit PNG"
    )
    with pytest.raises(
        UserError, match=r"scan.tif holds .* its white point is unknown; scale it .* save it as 8-bit PNG"
    ):
        images.picture(0)
