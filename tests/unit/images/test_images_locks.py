"""The locks of images: whole, by hash, of the versions that the tests run with, with CUDA and without; made without a download."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.image_tools import IMAGES, load

lock = load("lock")
LINE = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ]+) --hash=sha256:[0-9a-f]{64}$")


def versions(place: Path) -> dict[str, str]:
    """Name to version of a lock, each line of which is whole."""
    found = {}
    for line in place.read_text().splitlines()[1:]:
        match = LINE.match(line)
        assert match, f"{place}: {line!r}"
        found[re.sub(r"[-_.]+", "-", match["name"])] = match["version"]
    return found


CONSTRAINTS = {
    re.sub(r"[-_.]+", "-", name).lower(): version
    for name, _, version in (line.partition("==") for line in lock.CONSTRAINTS.read_text().split())
}
LOCKS = sorted(IMAGES.glob("*/*.lock"))


def test_there_is_a_lock_for_each() -> None:
    """Three images and what two of them share, for CPU; what has torch, for CUDA too."""
    assert {str(place.relative_to(IMAGES)) for place in LOCKS} == {
        "launch/requirements.lock",
        *(f"{name}/requirements.{which}lock" for name in ("shared", "train", "export") for which in ("", "cuda.")),
    }


@pytest.mark.parametrize("place", LOCKS, ids=lambda place: f"{place.parent.name}-{place.name}")
def test_versions_are_those_of_the_tests(place: Path) -> None:
    """No lock differs from constraints.txt, or a key made from those would lie about what ran."""
    assert {name: version for name, version in versions(place).items() if CONSTRAINTS.get(name, version) != version} == {}


@pytest.mark.parametrize("which", ["requirements.lock", "requirements.cuda.lock"])
@pytest.mark.parametrize("image", ["train", "export"])
def test_what_is_shared_is_in_both(image: str, which: str) -> None:
    """The shared layer holds nothing that an image's own lock does not name, line by line."""
    shared, own = ((IMAGES / name / which).read_text().splitlines() for name in ("shared", image))
    assert set(shared) <= set(own)


@pytest.mark.parametrize("image", ["shared", "train", "export"])
def test_cuda_adds_and_changes_nothing(image: str) -> None:
    """With CUDA there are the same distributions and what CUDA needs; torch alone is another file."""
    cpu, cuda = ((IMAGES / image / name).read_text().splitlines()[1:] for name in ("requirements.lock", "requirements.cuda.lock"))
    assert {line.split("==")[0] for line in set(cpu) - set(cuda)} == {"torch"}
    more = {line.split("==")[0] for line in cuda} - {line.split("==")[0] for line in cpu}
    assert {"nvidia-cublas", "triton"} <= more
    assert all(name.startswith(("nvidia-", "cuda-")) or name == "triton" for name in more)


def test_the_launcher_has_no_torch() -> None:
    """Neither torch nor numpy is in the small image's lock."""
    assert not {"torch", "numpy"} & set(versions(IMAGES / "launch" / "requirements.lock"))


def item(name: str, version: str = "1") -> dict[str, object]:
    """An entry of pip's report."""
    return {"metadata": {"name": name, "version": version}, "download_info": {"archive_info": {"hashes": {"sha256": "0" * 64}}}}


def test_a_build_of_the_other_kind_is_refused() -> None:
    """A CPU build in the lock for CUDA, or the other way round, is told with what to name; without torch there are no two kinds."""
    cpu, cuda = [item("torch", "2+cpu")], [item("torch"), item("nvidia-cublas")]
    assert "CUDA_INDEX" in lock.wrong_build(cpu, cuda=True)
    assert "CPU builds" in lock.wrong_build(cuda, cuda=False)
    assert lock.wrong_build(cpu, cuda=False) is lock.wrong_build(cuda, cuda=True) is lock.wrong_build([item("x")], cuda=True) is None
    assert lock.lines(cpu) == [f"torch==2 --hash=sha256:{'0' * 64}"]


@contextmanager
def index(asked: list[str]) -> Iterator[str]:
    """An index that tells hashes and metadata, and has no file: whoever wants to download one is told 404."""
    needs = {"torch": ["nvidia-thing==2"], "nvidia-thing": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            parts = self.path.strip("/").split("/")
            body, kind = None, "text/plain"
            if parts[0] == "simple" and parts[1] in needs:
                name = f"{parts[1].replace('-', '_')}-2-py3-none-any.whl"
                file = {"filename": name, "url": f"/files/{parts[1]}/{name}", "hashes": {"sha256": "a" * 64}, "core-metadata": True}
                page = {"meta": {"api-version": "1.1"}, "name": parts[1], "files": [file], "versions": ["2"]}
                body, kind = json.dumps(page), "application/vnd.pypi.simple.v1+json"
            elif parts[0] == "files" and parts[-1].endswith(".metadata"):
                body = f"Metadata-Version: 2.1\nName: {parts[1]}\nVersion: 2\n" + "".join(f"Requires-Dist: {n}\n" for n in needs[parts[1]])
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_lock_for_cuda_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, hashes and metadata of an index are enough, and a folder of CPU builds that pip is told of elsewhere is not looked at."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "tool"], check=True)
    pip = tmp_path / "tool" / "bin" / "pip"
    if subprocess.run([pip, "install", "--quiet", lock.PIP], check=False, capture_output=True).returncode:
        pytest.skip(f"{lock.PIP} can't be installed here")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "torch-2+cpu-py3-none-any.whl").write_bytes(b"never opened")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "in").write_text("torch\n")
    (tmp_path / "limits").write_text("torch==2\n")
    asked: list[str] = []
    with index(asked) as url:
        found = lock.resolve(pip, tmp_path / "in", tmp_path / "limits", cuda=True, index=url)
    assert lock.lines(found) == [f"{name}==2 --hash=sha256:{'a' * 64}" for name in ("nvidia-thing", "torch")]
    assert lock.wrong_build(found, cuda=True) is None
    assert not [path for path in asked if path.endswith(".whl")]
