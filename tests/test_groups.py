"""Groups of images and collections of them: kept, checked, opened as data sets, and copied into the runs they made."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from lgm_core.base.errors import ConfigError, DamagedFile, Unavailable, UserError
from lgm_core.base.files import read_json, write_json
from lgm_core.base.places import places
from lgm_core.cli.main import main
from lgm_core.datasets.catalog import find_row, status
from lgm_core.datasets.group_files import add_group, collection_names, drop_group, read_collection
from lgm_core.datasets.groups import FEWEST, LOOKING, REST_LEAST, Collection, Group, Split
from lgm_core.datasets.image_set import limit_per_class, load_squares
from lgm_core.datasets.open import open_dataset
from lgm_core.engine import work
from lgm_core.presets import change
from lgm_core.reports.summary import judge_words, result_table
from lgm_core.runs.start import start, start_all
from lgm_core.runs.store import RunStore

LIMITED = {"train_per_class": 8, "test_per_class": 12, "seed": 0}


@pytest.fixture(scope="module")
def digits():
    return open_dataset("digits", [])


@pytest.fixture
def test_split(digits) -> Split:
    return Split("digits", "test", digits[1].fingerprint, len(digits[1]))


def ones_and_twos(digits, split: Split, count: int = 20) -> tuple[Group, Group]:
    labels = digits[1].labels
    numbers = [torch.nonzero(labels == one).flatten()[:count].tolist() for one in (1, 2)]
    return Group(name="ones", images=split, indices=tuple(numbers[0])), Group(
        name="twos", images=split, indices=tuple(numbers[1])
    )


def test_a_collection_is_a_data_set_with_the_groups_images_as_its_classes(digits, test_split, tmp_path):
    ones, twos = ones_and_twos(digits, test_split)
    add_group(tmp_path, "mine", ones)
    found = add_group(tmp_path, "mine", twos)
    assert read_collection(tmp_path, "groups:mine") == found == read_collection(tmp_path, found.dataset)
    train, test = open_dataset(found.dataset, [], collection=found)
    assert train.classes == test.classes == ("ones", "twos") and (len(train), len(test)) == (32, 8)
    for images in (train, test):
        squares = load_squares(images, range(len(images)), 8, 8)
        origins = [int(images.origin(i).split("/")[-1]) for i in range(len(images))]
        assert torch.equal(squares, load_squares(digits[1], origins, 8, 8))
        assert [digits[1].labels[i].item() - 1 for i in origins] == images.labels.tolist()
    origins = {images.origin(i) for images in (train, test) for i in range(len(images))}
    assert len(origins) == 40  # no image is in both
    assert open_dataset(found.dataset, [], collection=found)[0].fingerprint == train.fingerprint != test.fingerprint
    assert "20 % are kept for testing" in found.words() and found.mark() == ""
    assert len(limit_per_class(train, 3)) == 6


def test_the_rest_holds_what_is_in_no_group_and_overlaps_belong_to_the_first(digits, test_split):
    ones, twos = ones_and_twos(digits, test_split)
    both = replace(twos, indices=(*ones.indices[:5], *twos.indices))
    found = Collection("mine", (ones, both), rest=True)
    members = found.members()
    chosen = {one.index for own in members[:2] for one in own}
    assert [len(own) for own in members] == [20, 20, REST_LEAST] and not chosen & {one.index for one in members[2]}
    assert "5 images of several groups" in found.words() and found.classes == ("ones", "twos", "rest")
    with pytest.raises(ConfigError, match="no image"):
        Collection("mine", (ones, replace(ones, name="again"))).members()
    with pytest.raises(ConfigError, match="two classes"):
        Collection("mine", (ones,)).parts()


def test_a_group_too_small_to_split_is_for_looking_not_for_judging(digits, test_split):
    ones, twos = ones_and_twos(digits, test_split)
    small = Collection("mine", (replace(ones, indices=ones.indices[: FEWEST - 1]), twos))
    train, test = small.parts()
    assert {one.index for one in train if one.label == 0} == {one.index for one in test if one.label == 0}
    assert small.mark().startswith(LOOKING) and "ones" in small.mark() and small.mark() in small.words()


def test_other_images_than_those_the_groups_were_made_of_are_refused(digits, test_split):
    ones, twos = ones_and_twos(digits, replace_print(test_split, "0" * 64))
    with pytest.raises(UserError, match="not those that the groups"):
        open_dataset("groups:mine", [], collection=Collection("mine", (ones, twos)))
    limited = open_dataset("digits", [], **LIMITED)[1]  # a map of a few images of each class numbers these
    split = Split("digits", "test", limited.fingerprint[:12], len(limited), per_class=12, seed=0)
    groups = (Group(name="a", images=split, indices=(0, 3)), Group(name="b", images=split, indices=(5,)))
    train, _ = open_dataset("groups:mine", [], collection=Collection("mine", groups))
    assert [train.origin(i) for i in range(3)] == [limited.origin(i) for i in (0, 3, 5)]


def replace_print(split: Split, print_: str) -> Split:
    return split._replace(fingerprint=print_)


GOOD = {"dataset": "digits", "split": "test", "fingerprint": "0" * 12, "count": 9, "per_class": 0, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"indices": [9]}, r"no image \[9\]"), ({"indices": [-1]}, "not a list of"), ({"indices": []}, "numbers"),
        ({"indices": [True]}, "numbers"), ({"indices": "all"}, "numbers"), ({"indices": [1.5]}, "numbers"),
        ({"name": "../x"}, "contains"), ({"name": "rest"}, "kept for the others"), ({"name": 3}, "no name"),
        ({"name": ".x"}, "starts with"), ({"page": "../runs"}, "not name a view"),
        ({"query": "x" * 10**5}, "not name a view"),
        ({"images": GOOD | {"split": "val"}}, "train or test"),
        ({"images": GOOD | {"count": 10**12}}, "a split cannot have"),
        ({"images": GOOD | {"fingerprint": "xyz"}}, "not a digest"), ({"images": [1]}, "not an object"),
        ({"images": GOOD | {"dataset": "groups:other"}}, "collection"), ({"images": GOOD | {"seed": "0"}}, "seed"),
        ({"images": GOOD | {"dataset": "a\nb"}}, "no data set"),
        ({"images": GOOD | {"count": 0}}, "cannot have 0 images"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_with_a_sentence(tmp_path, changes, words):
    group = {"name": "a", "images": GOOD, "indices": [1]}
    write_json(tmp_path / "mine.json", {"groups": [group], "rest": False})
    assert read_collection(tmp_path, "mine").groups[0].indices == (1,)
    write_json(tmp_path / "mine.json", {"groups": [group | changes], "rest": False})
    with pytest.raises(DamagedFile, match=words) as told:
        read_collection(tmp_path, "mine")
    assert "mine.json" in str(told.value)


def test_other_files_and_names_are_refused_too(tmp_path, test_split):
    for text in ("", "[1]", '{"groups": 3}', '{"groups": [], "rest": 1}', '{"groups": [7]}', "[" * 10**5, "\xff"):
        (tmp_path / "mine.json").write_text(text, "latin-1")
        with pytest.raises(DamagedFile):
            read_collection(tmp_path, "mine")
    twice = [{"name": "a", "images": GOOD, "indices": [1]}] * 2
    write_json(tmp_path / "mine.json", {"groups": twice}, sealed=True)
    with pytest.raises(DamagedFile, match="same name"):
        read_collection(tmp_path, "mine")
    values = read_json(tmp_path / "mine.json") | {"sha256_of_the_rest": "0"}
    (tmp_path / "mine.json").write_text(json.dumps(values))
    with pytest.raises(DamagedFile, match="differ"):
        read_collection(tmp_path, "mine")
    (tmp_path / "pipe.json").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DamagedFile):
        read_collection(tmp_path, "pipe")
    for name in ("../mine", "a/b", ".hidden", "a@b", ""):
        with pytest.raises(ConfigError, match="cannot be the name"):
            add_group(tmp_path, name, Group(name="a", images=test_split, indices=(1,)))
    with pytest.raises(Unavailable, match="mine"):
        read_collection(tmp_path, "groups:mime")
    assert collection_names(tmp_path) == ["mine", "pipe"]


def test_groups_are_kept_and_dropped_from_the_command_line(here, capsys, monkeypatch):
    monkeypatch.setenv("LGM_CACHE", str(here.cache))
    assert main(["groups", "add", "mine", "ones", "digits", "--indices", "1", "2", "3", "4", "5", "6"]) == 0
    (here.cache / "numbers.txt").write_text("7\n8\n9 10 11\n")
    assert main(["groups", "add", "mine", "more", "digits", "--file", str(here.cache / "numbers.txt"), "--rest"]) == 0
    assert "ones (6 test images of digits), more (5 test images of digits), rest" in capsys.readouterr().out
    assert main(["groups", "add", "mine", "ones", "digits", "--indices", "1"]) == 2
    assert main(["groups", "add", "mine", "far", "digits", "--indices", "99999"]) == 2
    assert main(["groups", "add", "mine", "none", "digits"]) == 2 == main(["groups", "shw"])
    told = capsys.readouterr().err
    assert "already" in told and "no image [99999]" in told and "--indices" in told and "did you mean 'show'" in told
    assert main(["groups", "show", "mine"]) == main(["groups", "list"]) == main(["list", "datasets"]) == 0
    shown = capsys.readouterr().out
    assert "20 % are kept" in shown and "groups:mine@" in shown and "ones, more, rest" in shown
    assert status(find_row("groups:mine"), places()) == "ready" and status(find_row("groups:x"), places()) == "manual"
    assert main(["groups", "drop", "mine", "ones"]) == 0
    assert read_collection(here.groups, "mine").classes == ("more", "rest")
    assert main(["groups", "drop", "mine"]) == 0 and collection_names(here.groups) == []


def test_a_run_keeps_its_copy_when_the_collection_changes(digits, test_split, here, small_run):
    ones, twos = ones_and_twos(digits, test_split)
    few = replace(ones, indices=ones.indices[:3])
    add_group(here.groups, "mine", few)
    made = add_group(here.groups, "mine", twos)
    config = change(small_run, {"dataset": "groups:mine", "steps": 6, "live": {"times": 0}})
    run = start(config, here)
    assert run.config().dataset == made.dataset and run.collection() == made
    assert start(config, here).id == run.id
    later = drop_group(here.groups, "mine", "twos") and add_group(here.groups, "mine", replace(twos, name="others"))
    assert start(config, here).config().dataset == later.dataset != made.dataset  # another run
    assert work(run, here) == "finished"
    data = run.data()
    assert (data["train_images"], data["test_images"]) == (6, 6) and "twos: 20 test images" in data["split"]
    assert np.array_equal(run.eval_reports()[0]["classes"], ["ones", "twos"])
    assert LOOKING in judge_words(run.eval_reports()[0])
    assert LOOKING in next(iter(result_table([run]).rows[0].cells.values())).stand_in
    further = start_all(replace(run.config(), kind="evaluate", source=run.id, seed=5), here)[0]
    assert further.collection() == made  # from the copy: the collection itself is another one now
    drop_group(here.groups, "mine")
    assert start(replace(run.config(), seed=3), here).collection() == made
    with pytest.raises(Unavailable, match="groups"):
        start(config, here)
    run.groups_file.write_text("{}")
    assert [run.id for run in RunStore(here.runs).runs()] and not run.problems()
    with pytest.raises(DamagedFile, match="groups.json"):
        run.collection()
    run.groups_file.write_text('{"groups:mine": 3}')
    assert any("groups.json is damaged" in words for words in run.problems())
