"""Fetching from a server on this machine: progress, resume, checksum, safe unpacking, nothing half done."""

import hashlib
import io
import shutil
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

from lgm_core.base.errors import Unavailable, UserError
from lgm_core.datasets import catalog
from lgm_core.datasets.catalog import CATALOG, Source, find_row
from lgm_core.datasets.fetch import fetch_dataset
from lgm_core.datasets.open import open_dataset
from lgm_core.datasets.sources import official_sources
from lgm_core.datasets.unpacking import unpack
from tests.trees import TREES, mnist

FETCHED = [name for name, row in CATALOG.items() if row.can_be_fetched]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """A folder, and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def pack(archive: Path, folder: Path) -> str:
    """Pack what is in `folder`; the SHA-256 of the archive."""
    if archive.suffix == ".zip":
        with ZipFile(archive, "w") as members:
            for path in sorted(folder.rglob("*")):
                members.write(path, path.relative_to(folder))
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix in (".tgz", ".gz") else "w") as members:
            for path in sorted(folder.iterdir()):
                members.add(path, path.name)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def serve(name: str, archive: str, server, tmp_path, monkeypatch, **facts) -> Path:
    """Serve the toy tree of `name` as its archive and let its catalogue row point at it; the root to fetch into."""
    folder, address = server
    TREES[name](tmp_path / "made")
    sha256 = pack(folder / archive, tmp_path / "made" / name)
    source = Source(url=f"{address}/{archive}?dl=1", **{"sha256": sha256, **facts})
    monkeypatch.setitem(catalog.CATALOG, name, replace(CATALOG[name], sources=(source,)))
    return tmp_path / "root"


@pytest.mark.parametrize("name", FETCHED)
def test_each_fetched_set_has_official_addresses(name):
    found = official_sources(find_row(name))
    unverified = {"artbench", "waterbirds", "spawrious"}  # their authors publish no checksum
    for source in found:
        assert source.url.startswith("http")
        assert bool(source.md5 or source.sha256) == (name not in unverified)


@pytest.mark.parametrize(
    ("name", "archive"),
    [("cub2011", "CUB_200_2011.tgz"), ("tiny_imagenet", "tiny-imagenet-200.zip"), ("spawrious", "spawrious.tar.gz")],
)
def test_fetch_unpack_open(name, archive, server, tmp_path, monkeypatch):
    root = serve(name, archive, server, tmp_path, monkeypatch)
    seen: list[tuple[str, int, int | None]] = []
    folder = fetch_dataset(name, root, lambda *progress: seen.append(progress))
    assert folder == root / name / CATALOG[name].folder
    assert seen[-1][0] == archive and seen[-1][1] == seen[-1][2] == (server[0] / archive).stat().st_size
    train, _ = open_dataset(name, [root])
    assert train.picture(0).mode == "RGB"
    assert [path.name for path in root.iterdir() if path.name != ".downloads"] == [name]
    assert not list((root / ".downloads").iterdir())
    shutil.rmtree(server[0])
    assert fetch_dataset(name, root) == folder  # it is there: nothing is asked of the server


def test_an_archive_without_a_folder_of_its_own(server, tmp_path, monkeypatch):
    folder, address = server
    TREES["waterbirds"](tmp_path / "made")
    pack(folder / "blob.tar.gz", tmp_path / "made" / "waterbirds" / "waterbirds_v1.0")
    source = replace(CATALOG["waterbirds"].sources[0], url=f"{address}/blob.tar.gz")
    monkeypatch.setitem(catalog.CATALOG, "waterbirds", replace(CATALOG["waterbirds"], sources=(source,)))
    assert fetch_dataset("waterbirds", tmp_path / "root") == tmp_path / "root" / "waterbirds" / "waterbirds_v1.0"


def test_mnist_comes_from_the_addresses_of_torchvision(server, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    mnist(server[0], "m", packed=True)
    monkeypatch.setattr(MNIST, "mirrors", [f"{server[1]}/m/MNIST/raw/"])
    sums = [hashlib.md5((server[0] / "m/MNIST/raw" / name).read_bytes()).hexdigest() for name, _ in MNIST.resources]
    resources = [(name, md5) for (name, _), md5 in zip(MNIST.resources, sums, strict=True)]
    monkeypatch.setattr(MNIST, "resources", resources)
    fetch_dataset("mnist", tmp_path / "root")
    train, test = open_dataset("mnist", [tmp_path / "root"])
    assert train.classes[3] == "three" and len(test) == 10


def test_a_wrong_checksum_leaves_nothing(server, tmp_path, monkeypatch):
    root = serve("cub2011", "CUB_200_2011.tgz", server, tmp_path, monkeypatch, sha256="0" * 64)
    with pytest.raises(Unavailable):
        fetch_dataset("cub2011", root)
    assert not (root / "cub2011").exists()


def test_a_missing_file_on_the_server_is_said(server, tmp_path, monkeypatch):
    root = serve("cub2011", "CUB_200_2011.tgz", server, tmp_path, monkeypatch)
    (server[0] / "CUB_200_2011.tgz").unlink()
    with pytest.raises(Unavailable, match="404"):
        fetch_dataset("cub2011", root)


def test_another_layout_than_expected_is_said(server, tmp_path, monkeypatch):
    root = serve("cub2011", "CUB_200_2011.tgz", server, tmp_path, monkeypatch)
    row = catalog.CATALOG["cub2011"]
    monkeypatch.setitem(catalog.CATALOG, "cub2011", replace(row, markers=("other.txt",)))
    with pytest.raises(Unavailable, match="has no other.txt"):
        fetch_dataset("cub2011", root)
    assert [path.name for path in root.iterdir()] == [".downloads"]


def test_incomplete_data_are_not_overwritten(server, tmp_path, monkeypatch):
    root = serve("cub2011", "CUB_200_2011.tgz", server, tmp_path, monkeypatch)
    (root / "cub2011").mkdir(parents=True)
    (root / "cub2011" / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="delete it"):
        fetch_dataset("cub2011", root)
    assert (root / "cub2011" / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize("name", ["imagenet-1k", "imagenet-birds", "imagenet64"])
def test_what_may_not_be_fetched_says_what_to_do(name, tmp_path):
    with pytest.raises(Unavailable, match="image-net.org"):
        fetch_dataset(name, tmp_path)


def test_embedded_sets_are_not_fetched(tmp_path):
    with pytest.raises(UserError, match="nothing to fetch"):
        fetch_dataset("scenes", tmp_path)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_that_lead_outside_are_refused(kind, tmp_path):
    archive = tmp_path / f"evil.{kind}"
    if kind == "tar":
        with tarfile.open(archive, "w") as members:
            member = tarfile.TarInfo("../escaped.txt")
            member.size = 3
            members.addfile(member, io.BytesIO(b"bad"))
    else:
        with ZipFile(archive, "w") as members:
            members.writestr("../escaped.txt", "bad")
    with pytest.raises(UserError, match="escaped.txt"):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "escaped.txt").exists()


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip", "a.gz"])
def test_a_broken_archive_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x1f\x8bnothing of the kind" * 9)
    with pytest.raises(UserError, match=f"{name} cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "into")
