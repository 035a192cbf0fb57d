"""`lgm bench`: the rows it writes, the share of a device's peak, a step without its literal counterpart."""

import json

import pytest

from lgm_core.cli.bench import share_of_peak
from lgm_core.cli.main import main

COLUMNS = {
    "backbone", "views", "classes", "device", "seconds_per_step", "ratio_to_bare", "ratio_to_literal", "peak_bytes",
    "literal_peak_bytes", "share_of_peak",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(tmp_path))
    return tmp_path


def _rows(cache, *words: str) -> list[dict]:
    file = cache / "rows.json"
    assert main(["bench", *words, "--views", "2", "--classes", "3", "--rounds", "1", "--json", str(file)]) == 0
    return json.loads(file.read_text())


@pytest.mark.slow
def test_rows_hold_all_that_is_promised(cache, small_weights, capfd):
    (row,) = _rows(cache, small_weights, "--chunk", "4", "--device", "cpu")
    assert set(row) >= COLUMNS
    assert (row["views"], row["classes"], row["chunk"]) == (2, 3, 4)
    assert row["ratio_to_bare"] == pytest.approx(row["seconds_per_step"] / row["seconds_bare"])
    assert row["ratio_to_literal"] == pytest.approx(row["seconds_literal"] / row["seconds_per_step"])
    assert row["operations"] > 1e6 and row["share_of_peak"] is None
    assert "step / bare" in " ".join(capfd.readouterr().out.split())


@pytest.mark.slow
def test_without_the_literal_step_its_columns_are_empty(cache, small_weights):
    (row,) = _rows(cache, small_weights, "--no-literal", "--precision", "float32")
    assert row["seconds_literal"] is row["ratio_to_literal"] is row["literal_peak_bytes"] is None
    assert row["precision"] == "float32"


def test_the_share_of_a_known_devices_peak():
    assert share_of_peak(989 * 10**10, 0.02, "NVIDIA H200") == pytest.approx(0.5)
    assert share_of_peak(10**12, 1.0, "x86_64") is None


@pytest.mark.parametrize("flag", ["--views", "--classes", "--rounds"])
def test_nothing_to_measure_is_a_mistake_in_plain_words(flag, cache, capfd):
    assert main(["bench", "mobilenet_v2", flag, "0"]) == 2
    assert f"{flag} must be at least 1; 0 was given" in capfd.readouterr().err
