"""What the command line refuses before it begins to work, and what it says where there is nothing to show."""

from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
from timm import list_pretrained

from lgm_core.backbones.catalog import find_row
from lgm_core.backbones.published_names import require_published
from lgm_core.base.errors import UserError
from lgm_core.base.names import unknown
from lgm_core.base.places import VERSION
from lgm_core.cli import foreground, sharing
from lgm_core.cli.main import main
from lgm_core.presets import preset
from lgm_core.runs.store import RunStore, run_id
from tests.fake_runs import fake_distill


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that is refused with code 2, and makes no run, says on standard error."""
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("lgm: ") and told.count("\n") == 1, told
    return told


@pytest.fixture(autouse=True)
def no_runs(store: RunStore) -> Iterator[None]:
    yield
    assert store.runs() == []


@pytest.mark.parametrize(
    "words",
    ["distill", "distill --preset preview", "baseline", "layers", "study x", "align", "disagree", "embed --seed 3"],
)
def test_no_work_begins_on_data_that_nobody_has_named(words: str, capsys):
    assert "which data set?" in said(capsys, *words.split())


def test_a_study_asks_for_its_backbones(capsys):
    assert "which backbones? lgm study NAME" in said(capsys, "study", "x", "digits")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("distill digits mobilenet_v3_small --device.device cuda", "'cuda' was requested, but this machine has 0 CUDA"),
        ("distill digits timm:resnet1x", "unknown timm model 'resnet1x'; did you mean 'resnet1"),
        ("distill digits timm:resnet18.nope", "unknown tag of resnet18 'nope'; known are: a1_in1k, a2_in1k"),
        ("distill digits open_clip:ViT-B-16/opena", "unknown tag of ViT-B-16 'opena'; did you mean 'openai'?"),
        ("distill digits open_clip:ViT-B-61/openai", "unknown open_clip model 'ViT-B-61'; did you mean 'ViT-B-16'"),
        ("distill digits mobilenet_v3_small+", "'mobilenet_v3_small+': a name is missing beside +"),
        ("disagree digits mobilenet_v3_small", "two backbones or more are compared: lgm align DATASET --evaluate-on"),
        ("distill digits mobilenet_v3_small --lgm.learning-rate -1", "--lgm.learning-rate must be"),
        ("wait foo", "a device's slot was expected, such as cpu-0 or cuda-0; 'foo' was given"),
        ("calibrate x y", "x is no request of the dashboard's"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_run_is_made(words: str, text: str, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("lgm_core.jobs.slots._AMD", Path("/nowhere"))
    assert text in said(capsys, *words.split())


def test_an_unknown_verb_is_answered_with_all_of_them(capsys):
    told = said(capsys, "xyzzy")
    assert all(verb in told for verb in ("show", "study", "resume"))


def test_a_long_list_of_names_is_counted_and_what_contains_the_word_is_offered():
    many = [f"model_{number}_small" for number in range(99)]
    assert unknown("zz", many, "model").startswith("unknown model 'zz'; 99 are known, none of them like it; such as")
    assert "did you mean 'model_0_small'" in unknown("_0_", many, "model")


def test_a_value_that_is_no_number_is_told_in_plain_words(capsys):
    for words, expected in (
        ("--steps ten", "'ten' was given; a whole number was expected, such as 100"),
        ("--lgm.learning-rate fast", "'fast' was given; a number was expected, such as 0.5 or 1e-3"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["distill", "digits", "mobilenet_v3_small", *words.split()])
        told = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert ended.value.code == 2 and f"Error parsing {words.split()[0]}: {expected}" in told, told


@pytest.mark.parametrize("library", ["timm", "open_clip"])
def test_no_weights_that_a_library_publishes_are_taken_for_a_mistake(library: str):
    names = list_pretrained() if library == "timm" else ["/".join(pair) for pair in open_clip.list_pretrained()]
    for name in names[:: len(names) // 100]:
        require_published(find_row(f"{library}:{name}"))


def test_older_names_of_timm_are_no_mistake():
    for name in ("timm:resnet18.a1_in1k", "timm:tv_resnext50_32x4d", "timm:vit_tiny_patch16_224_in21k"):
        require_published(find_row(name))


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0 and capsys.readouterr().out == f"lgm {VERSION}\n"


def test_verbs_of_workers_and_flags_of_studies_are_not_in_the_help(capsys):
    assert main([]) == 0
    verbs = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert "study" in verbs and not {"work", "wait", "calibrate"} & {*verbs}
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    told = capsys.readouterr().out
    assert "--seeds" in told and "--study" not in told and "--variant" not in told


@pytest.mark.parametrize("words", ["queue", "list runs --tag nope", "list runs --starred"])
def test_a_list_of_nothing_is_a_word(words: str, capsys):
    assert main(words.split()) == 0 and capsys.readouterr().out == "none\n"


def test_an_evaluation_is_named_after_the_networks_that_judge():
    config = preset("preview", kind="evaluate", dataset="digits", backbone="mobilenet_v3_small", evaluate_on=("a", "b"))
    assert "-evaluate-digits-a_b-" in run_id(config)


def test_a_mistyped_path_is_not_made(tmp_path: Path):
    with sharing._writing(tmp_path / "new" / "one.txt") as file:
        file.write_text("x")
    wrong = tmp_path / "typo" / "new" / "one.txt"
    with pytest.raises(UserError, match="there is no folder .*typo; name another"), sharing._writing(wrong):
        raise AssertionError
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(("judges", "hint"), [((), True), (("mobilenet_v2",), False)])
def test_a_set_that_nobody_has_judged_is_said_to_be(judges: tuple[str, ...], hint: bool, tmp_path, monkeypatch, capsys):
    run = fake_distill(RunStore(tmp_path / "other"), name="one", backbone="mobilenet_v2", evaluate_on=list(judges))
    monkeypatch.setattr(foreground, "show_run", lambda name: 0)
    assert foreground.work([run], "") == 0
    assert ("`lgm evaluate one mobilenet_v2` does" in capsys.readouterr().err) == hint
