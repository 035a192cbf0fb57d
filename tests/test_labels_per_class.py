"""The labels that a pre-trained network's head is given: a share of all, or so many of each class."""

from dataclasses import replace

import pytest
import torch

from lgm_core.base.errors import Unmeasured
from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.evaluation.pretraining import labelled_rows
from lgm_core.evaluation.protocol import (
    Key,
    column_of,
    differing,
    key_of_report,
    keys_of,
    network_of,
    protocol_of,
)  # fmt: skip
from lgm_core.presets import change, preset
from lgm_core.runs.identity import identity
from lgm_core.runs.store import RunFolder
from tests.test_label_probe import CLASSES, LABELS
from tests.test_mkdt_run import finished, run, small  # noqa: F401 (fixtures)


def _key(**labels: float) -> Key:
    return Key(network="conv:instance", protocol="pretrain", dataset="digits", **labels)  # pyright: ignore


def test_fewer_labels_are_the_first_of_more():
    half, quarter = (labelled_rows(LABELS, _key(fraction=share), 0, classes=CLASSES) for share in (0.5, 0.25))
    assert (len(half), len(quarter)) == (45, 22) and half[:22].tolist() == quarter.tolist()


def test_so_many_labels_of_each_class_are_drawn_anew_for_each_network():
    uneven = torch.cat((LABELS, torch.full((50,), 2)))
    few, more, other = (
        labelled_rows(uneven, _key(labels_per_class=count), seed, classes=CLASSES)
        for count, seed in ((3, 0), (20, 0), (20, 1))
    )
    assert torch.bincount(uneven[few]).tolist() == [3] * CLASSES and len(set(more.tolist())) == 20 * CLASSES
    assert uneven[few].tolist() == sorted(uneven[few].tolist())
    assert [few[3 * c : 3 * c + 3].tolist() for c in range(CLASSES)] == [
        more[20 * c : 20 * c + 3].tolist() for c in range(CLASSES)
    ]
    assert set(more.tolist()) != set(other.tolist())
    everything = labelled_rows(uneven, _key(labels_per_class=22), 0, classes=CLASSES)
    assert set((uneven[:90] == 3).nonzero().flatten().tolist()) == {
        row for row in everything.tolist() if uneven[row] == 3
    }
    with pytest.raises(
        Unmeasured, match="23 labels per class .* class 2 of digits has 22 .* give fewer .--labels-per-class"
    ):
        labelled_rows(LABELS, _key(labels_per_class=23), 0, classes=CLASSES)


def test_a_number_of_labels_has_a_column_a_file_and_a_digest_of_its_own():
    whole = _key()
    share, few = replace(whole, fraction=0.1), replace(whole, labels_per_class=10)
    assert few.column == "conv:instance, pretrain, on digits, 10 labels per class"
    assert replace(whole, labels_per_class=1).column == "conv:instance, pretrain, on digits, 1 label per class"
    assert len({key.file_stem for key in (whole, share, few)}) == len({key.digest for key in (whole, share, few)}) == 3
    assert differing([whole, few]) == ["labels per class"] and differing([few, few]) == []
    assert (network_of(few.column), protocol_of(few.column)) == ("conv:instance", "pretrain")


def test_numbers_of_labels_are_asked_for_besides_shares():
    asked = preset("mkdt_preview", evaluate_on=("conv:instance",), labels_per_class=(1, 10), evaluate_data=("digits",))
    keys = keys_of(asked)
    assert [(key.labels_per_class, key.fraction) for key in keys] == [
        (1, 1.0), (10, 1.0), (0, 0.01), (0, 0.05), (0, 0.1), (0, 0.5)
    ]  # fmt: skip
    assert identity(asked) == identity(change(asked, {"labels_per_class": ()}))  # judging further distils nothing
    reports = [{**key.facts(), "top1": 0.5} for key in keys]
    assert [column_of(report) for report in reports] == [key.column for key in keys]
    assert [key_of_report(report, asked).digest for report in reports] == [key.digest for key in keys]
    old = {name: value for name, value in keys_of(change(asked, {"labels_per_class": ()}))[0].facts().items()}
    del old["labels_per_class"]  # a report of before
    assert key_of_report(old, asked).labels_per_class == 0 and "labels per class" not in column_of(old)


@pytest.mark.slow
def test_a_set_is_judged_with_so_many_labels_of_each_class(
    run: RunFolder,  # noqa: F811
    here: Places,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    words = ["evaluate", run.id, "conv:instance", "--protocol", "pretrain", "--evaluate-data", "scenes"]
    words += ["--pretrain.seeds", "1"]
    assert main([*words, "--labels-per-class", "1", "3", "--name", "few"]) == 0
    few = RunFolder(here.runs / "few").eval_reports()
    found = {one["labels_per_class"]: one["labelled_images"] for one in few}
    assert len(few) == 4 and found | {0: 0} == {0: 0, 1: 16, 3: 48}  # besides the two shares of the run
    assert "3 labels per class" in capsys.readouterr().out.replace("\n", " ")
    assert main([*words, "--labels-per-class", "5000", "--name", "many"]) == 2
    assert "5,000 labels per class were asked for, but class" in capsys.readouterr().err.replace("\n", " ")
