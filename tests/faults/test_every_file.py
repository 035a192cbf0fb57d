"""Every kind of file of a run folder and of the cache, harmed in every way, with everything that reads it.

No reader raises anything but a sentence, no address answers 500, what is damaged is named, and a run goes on or says
why not. The matrix: kinds of files x `HARMS` x `READERS`, the pages, and a worker that resumes.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lgm_core.base.errors import UserError
from lgm_core.base.places import Places
from lgm_core.cli.main import main
from lgm_core.jobs import local
from lgm_core.runs.folder import RunFolder
from tests.app import open_page
from tests.faults.every_file import HARMS, READERS, failures, files_of, run_of
from tests.faults.full_store import RUN, full_store
from tests.faults.test_damage_on_disk import finished, paused, short, wanted  # noqa: F401 (fixtures)

SLOW = pytest.mark.slow
QUICK = ("lgm show", "lgm list runs", "/api/runs", "/api/runs/RUN", "pages", "report", "card", "resume")
NAMED = {
    "alignment.json", "checkpoint.safetensors", "choice.json", "data.json", "disagreement.safetensors",
    "findings.json", "groups.json", "labels.json", "map.json", "notes.json", "neighbours.safetensors", "status.json",
    "synthetic.safetensors", "weights.json", "config.json",
    "mobilenet_v2-on-imagenette.json",
}  # fmt: skip
LINES = {"metrics.jsonl", "index.jsonl", "trail.jsonl", "details.jsonl"}
PAGES = {
    "watch": {"run": RUN},
    "compare": {"runs": [RUN, "networks"]},
    "embeddings": {"dataset": "imagenette", "backbones": ["mobilenet_v2"], "picked": f"star:{RUN}:0"},
    "neighbours": {"run": RUN, "backbones": ["mobilenet_v2"]},
    "cross_model": {"study": "s"},
    "disagreement": {"dataset": "imagenette", "backbones": ["mobilenet_v2", "clip_vitb16"]},
    "backbones": {"dataset": "imagenette", "backbones": ["mobilenet_v2"]},
    "launch": {"dataset": "groups:mine"},
    "report": {"run": RUN},
}


class Shelf:
    """A full store that is put back as it was after each harm."""

    def __init__(self, folder: Path) -> None:
        self.cache, self._kept = folder / "cache", folder / "kept"
        self.store = full_store(self.cache)
        self.files = files_of(self.store)
        shutil.copytree(self.cache, self._kept)

    def harmed(self, harm: str, shares: Sequence[float] = (0.5,)) -> Iterator[tuple[str, RunFolder]]:
        """Each file, harmed, with the run that it concerns."""
        for file in self.files:
            for share in shares:
                content = (self.cache / file).read_bytes()
                changed = HARMS[harm](file, content, share)
                if changed == content:  # a harm of JSON alone
                    continue
                if changed is None:
                    (self.cache / file).unlink()
                else:
                    (self.cache / file).write_bytes(changed)
                yield file, run_of(self.store, file)
                shutil.rmtree(self.cache)
                shutil.copytree(self._kept, self.cache)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    for name, value in (("LGM_CACHE", str(tmp_path / "cache")), ("LGM_WEIGHTS", ""), ("LGM_DATASETS", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(local, "attend", lambda here: None)
    return Shelf(tmp_path)


def test_there_is_every_kind_of_file_and_whole_ones_are_read_without_a_word(shelf: Shelf):
    names = {Path(file).name for file in shelf.files}
    assert "mine.json" in names
    assert (
        names >= NAMED | LINES and {"details.jsonl", "log.txt", "runs.json", "start.safetensors", "start.webp"} <= names
    )
    for run in shelf.store.runs():
        assert run.problems() == [] and failures(shelf.store, run, READERS) == []


@pytest.mark.parametrize("harm", [h if h == "of another type" else pytest.param(h, marks=SLOW) for h in HARMS])
def test_no_reader_falls_over_a_file_and_what_is_damaged_is_named(harm: str, shelf: Shelf):
    quick, wrong = harm == "of another type", []
    readers = {name: read for name, read in READERS.items() if name in QUICK or not quick}
    shares = (0.02, 0.2, 0.5, 0.8, 0.99) if harm == "flipped" else (0.5,)
    for file, run in shelf.harmed(harm, shares):
        sealed = harm != "flipped" or _has_digest(shelf.cache / file)
        told = " ".join((*run.problems(), *shelf.store.unreadable()))
        wrong += [(file, *found) for found in failures(shelf.store, run, readers)]
        if sealed and _must_be_named(file, harm) and Path(file).name not in told:
            wrong.append((file, "is not named", told))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("harm", ["huge numbers", "half letters", "too deep"])
def test_a_value_that_nobody_could_count_with_print_or_walk_is_damage(harm: str, shelf: Shelf):
    """The same, of few files."""
    few = ("status.json", "notes.json", "metrics.jsonl", "mobilenet_v2-on-imagenette.json")
    shelf.files = [file for file in shelf.files if Path(file).name in few and RUN in file]
    readers, wrong = {name: READERS[name] for name in ("lgm show", "lgm list runs", "/api/runs", "report")}, []
    for file, run in shelf.harmed(harm):
        wrong += [(file, *found) for found in failures(shelf.store, run, readers)]
        if not any(Path(file).name in words for words in run.problems()):
            wrong.append((file, "is not named", ""))
    assert len(shelf.files) == len(few) and not wrong, "\n".join(map(str, wrong))


def _has_digest(file: Path) -> bool:
    """Not where a flipped bit has hit the digest's own name."""
    name = b'"sha256_of_the_rest"' if file.suffix == ".json" else b"sha256"
    return name in file.read_bytes()


def _must_be_named(file: str, harm: str) -> bool:
    """Files without a digest may be flipped, and lines end anywhere, without anybody noticing."""
    name = Path(file).name
    if name in ("status.json", "notes.json") and harm == "flipped" or harm == "missing":
        return False
    return name in NAMED or name in LINES and harm not in ("flipped", "truncated", "empty", "garbage")


@SLOW
@pytest.mark.parametrize("harm", ["truncated", "of another type", "missing"])
@pytest.mark.parametrize("page", PAGES)
def test_no_page_falls_over_a_file(page: str, harm: str, shelf: Shelf):
    """Nor one of its panels: those are caught, and `conftest` fails for them."""
    for file, _ in shelf.harmed(harm):
        assert not open_page(page, **PAGES[page]).exception, file


WORKED_ON = (
    "runs/{run}/config.json", "runs/{run}/status.json", "runs/{run}/control.json", "runs/{run}/metrics.jsonl",
    "runs/{run}/frames/index.jsonl", "runs/{run}/checkpoint.safetensors", "runs/{run}/weights.json",
    "runs/{run}/data.json", "runs/{run}/log.txt", "features/*/features.safetensors", "index/weights-*.json",
)  # fmt: skip


@pytest.mark.parametrize("harm", [h if h == "garbage" else pytest.param(h, marks=SLOW) for h in HARMS])
def test_a_worker_goes_on_to_the_same_result_or_says_why_not(harm: str, short, wanted, here: Places):  # noqa: F811
    run, kept = paused(short, here), here.cache / "kept"
    shutil.copytree(here.cache, kept, ignore=shutil.ignore_patterns("kept", "calm"))
    for pattern in WORKED_ON:
        (file,) = kept.glob(pattern.format(run=run.id))
        target = here.cache / file.relative_to(kept)
        changed = HARMS[harm](target.name, target.read_bytes(), 0.5)
        target.unlink() if changed is None else target.write_bytes(changed)
        try:
            assert finished(run, here).read_bytes() == wanted, pattern
        except UserError as error:
            if "config" in pattern:  # it cannot be read, or has a setting whose value cannot be
                assert "config.json" in str(error) or "does not know or accept: lgm." in str(error), pattern
            else:
                assert run.status().error == str(error), pattern
        for part in ("runs", "features", "index"):
            shutil.rmtree(here.cache / part)
            shutil.copytree(kept / part, here.cache / part)


def test_a_damaged_config_is_a_sentence_for_every_verb(shelf: Shelf, capfd):
    shelf.store.open("networks").config_file.write_bytes(b"\xff")
    for words in (["show"], ["resume"], ["retry"], ["report"], ["pause"], ["stop"], ["fork"], ["note"], ["export"]):
        code = main([*words, "networks", *(["3"] if words == ["fork"] else [])])
        said = capfd.readouterr()
        assert "Traceback" not in said.err and (code == 0 or "lgm: " in said.err), words
