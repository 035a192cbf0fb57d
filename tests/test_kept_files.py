"""What pages offer to keep, from the command line: report, gallery, export, film; and its mistakes in plain words."""

from pathlib import Path

import pytest
from PIL import Image
from safetensors.numpy import load_file

from lgm_core.cli.main import main
from lgm_core.reports.card import write_export
from lgm_core.reports.film import HOLD
from lgm_core.reports.page import study_report
from lgm_core.runs.store import RunStore
from tests.fake_runs import fake_distill, fake_embed, fake_study


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LGM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return RunStore(tmp_path / "cache" / "runs")


def test_the_report_of_a_run_and_of_a_study(store: RunStore, tmp_path: Path, capsys):
    runs = fake_study(store)
    assert main(["report", runs[0].id]) == 0 and main(["report", "demo", "--to", "new/demo.html"]) == 0
    assert "/demo.html: " in capsys.readouterr().out
    assert runs[0].id in (tmp_path / f"{runs[0].id}.html").read_text()
    written, made = (tmp_path / "new" / "demo.html").read_text(), study_report("demo", runs)
    assert written.split("written")[1][30:] == made.split("written")[1][30:]  # the page's, but for the minute
    assert main(["report", "demo", "--to", "new"]) == 0  # into a folder


def test_the_gallery_shows_what_has_images_or_what_is_named(store: RunStore, tmp_path: Path, capsys):
    run = fake_distill(store, name="one")
    fake_distill(store, "queued", name="new", trail=False)
    fake_study(store, seeds=1)
    assert main(["gallery", "--title", "All <of> it"]) == 0
    assert "python -m http.server --directory gallery" in capsys.readouterr().out
    index = (tmp_path / "gallery" / "index.html").read_text()
    assert "All &lt;of&gt; it" in index and "one.html" in index and "new.html" not in index and "study-demo" in index
    assert main(["gallery", run.id, "--to", "own"]) == 0
    assert [path.name for path in (tmp_path / "own" / "runs").iterdir()] == ["one.html"]
    assert main(["gallery", "new", "--to", "own"]) == 2
    assert "none of 1 runs has images" in capsys.readouterr().err


def test_the_export_is_that_of_the_page(store: RunStore, tmp_path: Path, capsys):
    run = fake_distill(store, name="one")
    assert main(["export", "one", "--to", "set"]) == 0
    page = write_export(run, tmp_path / "page")
    files = {path.relative_to(page): path.read_bytes() for path in page.rglob("*") if path.is_file()}
    assert {path: (tmp_path / "set" / path).read_bytes() for path in files} == files and len(files) == 13
    assert load_file(tmp_path / "set" / "synthetic.safetensors")["images"].shape == (10, 3, 48, 48)
    assert main(["export", "one", "--to", "set"]) == 2
    assert "set is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "form", "last"),
    [([], "mp4", 0), (["--format", "gif", "--seconds", "4.6"], "gif", HOLD * 200), (["--to", "a.webp"], "webp", 1494)],
)
def test_the_film_has_the_form_and_the_length_that_were_asked_for(words, form, last, store: RunStore, tmp_path: Path):
    fake_distill(store, name="one", frames=6)
    assert main(["timelapse", "one", *words]) == 0
    (film,) = tmp_path.glob(f"*.{form}")
    if last:
        with Image.open(film) as opened:
            opened.seek(opened.n_frames - 1)
            opened.load()
            assert (opened.n_frames, opened.info["duration"]) == (6, last)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["report", "map"], "'map' is of the kind embed"),
        (["report", "one", "--to", "file/one.html"], "cannot be written"),
        (["export", "half"], "let it finish first"),
        (["timelapse", "one", "--format", "mpg"], "unknown form of film 'mpg'"),
        (["timelapse", "one", "--format", "gif", "--to", "one.mp4"], "let its name end in .gif"),
        (["timelapse", "one", "--seconds", "0.1"], "give at least 0.5 s"),
        (["timelapse", "new"], "has no frame yet"),
    ],
)
def test_what_cannot_be_written_is_said(words, text, store: RunStore, tmp_path: Path, capsys):
    fake_embed(store, fake_distill(store, name="one", frames=6), name="map")
    fake_distill(store, "running", name="half")
    fake_distill(store, "queued", name="new", trail=False)
    (tmp_path / "file").write_text("in the way")
    assert main(words) == 2
    assert text in capsys.readouterr().err and not list(tmp_path.glob("*.mp4"))
