"""Data at an address: seen by the plan, fetched for the stage, and measured for the retraining check."""

import io
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lading.plan import outside
from lading.store.base import Store
from lading.store.opening import open_store

pytestmark = [
    pytest.mark.s3,
    pytest.mark.skipif(not os.environ.get("AWS_ENDPOINT_URL"), reason="AWS_ENDPOINT_URL names no S3 server"),
]
COMMAND = [sys.executable, "-m", "lading"]
PIPELINE = """
pipeline: mine
retrain: {volume: {grows_by: 0.5}}
stages:
  data:
    kind: data
    settings: {source: SOURCE, path: "PATH"}
"""


@pytest.fixture
def place(bucket: str) -> Store:
    """Where the user keeps data: no store of lading's."""
    return open_store(f"s3://{bucket}/{secrets.token_hex(6)}")


def call(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """The command line, with its store in a folder."""
    env = {**os.environ, "LADING_STORE": str(folder / "store")}
    return subprocess.run([*COMMAND, *line], capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=env)


def manifest(folder: Path) -> dict:
    """The data stage's newest result."""
    found = max((folder / "store/manifests/data").glob("*/1.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(found.read_bytes())


def arrays(rows: int) -> bytes:
    """An npz of so many labelled rows."""
    out = io.BytesIO()
    np.savez(out, inputs=np.arange(rows * 4, dtype=np.float32).reshape(rows, 4), labels=np.arange(rows) % 2)
    return out.getvalue()


def test_texts_below_a_prefix_are_read_and_growth_launches(place: Store, tmp_path: Path) -> None:
    """Unchanged it is a hit; with another text it is a miss whose reason names the data, and a volume trigger sees the growth."""
    for name in (*"abcdefghi", "deep/j"):
        place.write(f"{name}.txt", f"{name} says: {secrets.token_hex(400)}\n".encode())
    place.write(".hidden/c.txt", b"nobody's data")
    (tmp_path / "mine.yaml").write_text(PIPELINE.replace("SOURCE", "text, lengths: [16], primary_length: 16").replace("PATH", place.uri))

    ran = call(tmp_path, "retrain", "check", "mine.yaml", "--tick", "t1", "--exit-code")
    assert ran.returncode == 10, ran.stdout + ran.stderr
    seen = manifest(tmp_path)["measurements"]
    assert (seen["source_files"], seen["source_bytes"]) == (10, sum(stat.size for stat in place.list("") if stat.key[0] != "."))
    assert call(tmp_path, "retrain", "check", "mine.yaml", "--tick", "t2", "--exit-code").returncode == 0
    assert json.loads(call(tmp_path, "plan", "mine.yaml", "--json").stdout)["stages"]["data"]["state"] == "hit"

    place.write("more.txt", secrets.token_hex(9000).encode())
    planned = call(tmp_path, "plan", "mine.yaml")
    assert "outside.path" in planned.stdout + planned.stderr
    again = call(tmp_path, "retrain", "check", "mine.yaml", "--tick", "t3", "--exit-code")
    assert again.returncode == 10, again.stdout + again.stderr
    assert manifest(tmp_path)["measurements"]["source_files"] == 11


def test_one_object_is_data_too(place: Store, tmp_path: Path) -> None:
    """An address that names an object is that object, and not what its name begins."""
    place.write("set.npz", arrays(40))
    place.write("set.npz.old", arrays(10))
    (tmp_path / "mine.yaml").write_text(PIPELINE.replace("SOURCE", "npz").replace("PATH", f"{place.uri}/set.npz"))

    ran = call(tmp_path, "run", "mine.yaml")

    assert ran.returncode == 0, ran.stderr
    assert manifest(tmp_path)["measurements"]["source_bytes"] == len(arrays(40))


def test_an_address_without_data_is_said_before_anything_runs(place: Store, tmp_path: Path) -> None:
    """The plan names the address."""
    (tmp_path / "mine.yaml").write_text(PIPELINE.replace("SOURCE", "text").replace("PATH", f"{place.uri}/nowhere"))

    said = call(tmp_path, "run", "mine.yaml")

    assert said.returncode == 2
    assert f"there is no data at {place.uri}/nowhere" in said.stderr


def test_what_is_fetched_is_what_lies_there(place: Store, tmp_path: Path) -> None:
    """Byte for byte, each below its own name."""
    for name in ("a.txt", "deep/er/b c.txt"):
        place.write(name, name.encode())

    got = outside.fetch(place.uri, tmp_path / "copy")

    assert {name: file.read_text() for name, file in outside.files(got)} == {"a.txt": "a.txt", "deep/er/b c.txt": "deep/er/b c.txt"}
    assert outside.sizes(place.uri, tmp_path) == [5, 15]
