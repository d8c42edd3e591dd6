"""Resolving: files of the user and outside data become digests."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from lading.config.loader import from_data, load
from lading.errors import UserError
from lading.plan import outside
from lading.plan import resolve as module
from lading.plan.build import build
from lading.plan.key import outside_of, semantic
from lading.plan.resolve import named, resolve
from lading.plan.userfiles import local_modules, require_resolved
from support.memory_store import MemoryStore

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LADING_CACHE", str(tmp_path / "cache"))


def script(folder, *files: str):
    """A pipeline of one script that names files."""
    stages = {"s": {"kind": "script", "settings": {"command": ["python", "a.py"], "files": list(files)}}}
    return from_data({"pipeline": "demo", "stages": stages}, folder=folder)


def test_files_of_the_user_are_stored_by_their_digest(tmp_path):
    """The bytes lie under files/<sha256>, the settings name it, and the folder is gone from the pipeline."""
    (tmp_path / "a.py").write_text("print(1)")
    store = MemoryStore()
    done = resolve(script(tmp_path, "a.py"), store)
    sha256 = hashlib.sha256(b"print(1)").hexdigest()

    assert done.stages["s"].settings.files[0].sha256 == sha256
    assert store.objects[f"files/{sha256}"][0] == b"print(1)"
    assert done.folder == ""
    assert resolve(done, store) is done
    require_resolved("s", done.stages["s"].settings.to_data())


@pytest.mark.parametrize("damage", [b"", b"print(2)", b"print(1) and more"], ids=["empty", "as long", "longer"])
@pytest.mark.parametrize("large", [False, True])
def test_a_damaged_file_is_stored_anew(tmp_path, monkeypatch, large, damage):
    """As the stage that refuses it says: run again. Also one that is too large to be sent on suspicion."""
    if large:
        monkeypatch.setattr(module, "LARGE", 3)
    (tmp_path / "a.py").write_text("print(1)")
    store = MemoryStore()
    resolve(script(tmp_path, "a.py"), store)
    key = f"files/{hashlib.sha256(b'print(1)').hexdigest()}"
    resolve(script(tmp_path, "a.py"), store)
    store.write(key, damage)
    resolve(script(tmp_path, "a.py"), store)

    assert store.objects[key][0] == b"print(1)"


def test_a_large_file_is_sent_once_and_looked_at_once(tmp_path, monkeypatch):
    """Later runs ask for its size and its etag alone."""
    asked = []
    monkeypatch.setattr(module, "LARGE", 3)
    (tmp_path / "a.py").write_text("print(1)")
    store = MemoryStore(before=lambda act, key: asked.append(act))
    for _ in range(4):
        resolve(script(tmp_path, "a.py"), store)

    assert asked == ["list", "write", "list", "read", "read", "read", "list", "list"]


def test_a_plan_stores_no_files_and_feels_their_bytes(tmp_path):
    """Another content is another key; planning writes nothing."""
    store, file = MemoryStore(), tmp_path / "a.py"
    file.write_text("print(1)")
    one = build(script(tmp_path, "a.py"), store).keys["s"]
    file.write_text("print(2)")

    assert build(script(tmp_path, "a.py"), store).keys["s"] != one
    assert store.objects == {}


def test_a_file_that_is_not_there(tmp_path):
    """The message names the stage and `lading resolve`."""
    with pytest.raises(UserError, match=r"stage s names the file a.py, and .*a.py is not there") as caught:
        named(script(tmp_path, "a.py"))
    assert "lading resolve" in caught.value.do
    with pytest.raises(UserError, match="by path alone"):
        require_resolved("s", script(tmp_path, "a.py").stages["s"].settings.to_data())


def test_a_model_file_brings_the_local_modules_that_it_imports(tmp_path):
    """Static closure: packages, relative imports, imports inside of functions; nothing of what is installed."""
    (tmp_path / "parts").mkdir()
    for name, text in {
        "net.py": "import torch\nfrom parts import block\nbuild = block.f\n",
        "parts/__init__.py": "",
        "parts/block.py": "def f():\n    from . import norm\n",
        "parts/norm.py": "import helper",
        "helper.py": "import net",
        "unused.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    stages = {"data": {}, "train": {"needs": ["data"], "settings": {"epochs": 1, "model": {"file": "net.py"}}}}
    store = MemoryStore()
    done = resolve(from_data({"pipeline": "demo", "stages": stages}, folder=tmp_path), store)
    model = done.stages["train"].settings.model

    assert [module.path for module in model.modules] == ["helper.py", "parts/__init__.py", "parts/block.py", "parts/norm.py"]
    assert all(f"files/{module.sha256}" in store.objects for module in (model.file, *model.modules))


@pytest.mark.parametrize(
    ("written", "file", "modules"),
    [
        ("nets/net.py", "nets/net.py", ["common.py", "nets/helper.py"]),
        ("./nets/net.py", "nets/net.py", ["common.py", "nets/helper.py"]),
        ("../project/nets/net.py", "net.py", ["helper.py"]),
        ("{root}/nets/net.py", "net.py", ["helper.py"]),
        ("link/net.py", "link/net.py", ["link/helper.py"]),
    ],
)
def test_the_modules_of_a_model_file_lie_where_it_finds_them(tmp_path, written, file, modules):
    """In the stage's folder as they lay beside it: below the pipeline's folder at their paths, else beside the file."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project" / "nets").mkdir(parents=True)
    for folder in (tmp_path / "project/nets", tmp_path / "elsewhere"):
        (folder / "net.py").write_text("import helper, common\nbuild = helper.f\n")
        (folder / "helper.py").write_text(f"f = '{folder.name}'")
    (tmp_path / "project/common.py").write_text("")
    (tmp_path / "project/link").symlink_to(tmp_path / "elsewhere")
    model = {"file": written.format(root=tmp_path / "project")}
    stages = {"data": {}, "train": {"needs": ["data"], "settings": {"epochs": 1, "model": model}}}
    store = MemoryStore()
    done = resolve(from_data({"pipeline": "demo", "stages": stages}, folder=tmp_path / "project"), store).stages["train"].settings.model

    assert done.file.name == file
    assert [one.name for one in done.modules] == modules
    helper = next(one for one in done.modules if one.name.endswith("helper.py"))
    assert store.objects[f"files/{helper.sha256}"][0] == f"f = '{'elsewhere' if written.startswith('link') else 'nets'}'".encode()


def test_a_model_file_that_is_no_python(tmp_path):
    """The line of the mistake is named."""
    (tmp_path / "net.py").write_text("x = 1\ndef f(:\n")

    with pytest.raises(UserError, match=r"net.py:2: this is not Python"):
        local_modules(tmp_path / "net.py", tmp_path)


def data(folder, path: str):
    """A pipeline that reads data of the user's own."""
    return from_data({"pipeline": "demo", "stages": {"data": {"settings": {"source": "text", "path": path}}}}, folder=folder)


def test_outside_data_is_named_by_its_listing(tmp_path):
    """Other bytes, another name or one file more is another key; where it lies, and when it was written, is not."""
    store = MemoryStore()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("text")
    key = build(data(tmp_path, "one"), store).keys["data"]

    assert build(data(tmp_path, "two"), store).keys["data"] == key
    os.utime(tmp_path / "one" / "a.txt", (1, 1))
    assert build(data(tmp_path, "one"), store).keys["data"] == key
    (tmp_path / "one" / "a.txt").write_text("Text")
    assert build(data(tmp_path, "one"), store).keys["data"] != key
    (tmp_path / "two" / "b.txt").write_text("")
    assert build(data(tmp_path, "two"), store).keys["data"] != key


def test_a_file_address_is_the_path_that_it_names(tmp_path):
    """The stage gets a plain path, and the key is that of the same data at a plain path."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    store, address = MemoryStore(), f"file://{tmp_path}/texts"

    assert resolve(data(tmp_path, address), store).stages["data"].settings.path == f"{tmp_path}/texts"
    assert build(data(tmp_path, address), store).keys == build(data(tmp_path, "texts"), store).keys


def test_data_that_changed_since_the_plan_is_told(tmp_path):
    """A stage that looks again finds out."""
    (tmp_path / "a.npz").write_bytes(b"1")
    seen = outside.digest(outside.listing("a.npz", tmp_path))

    outside.check("a.npz", tmp_path, seen)
    (tmp_path / "a.npz").write_bytes(b"2")
    with pytest.raises(UserError, match="changed since the plan"):
        outside.check("a.npz", tmp_path, seen)
    with pytest.raises(UserError, match="there is no data at"):
        outside.listing("none", tmp_path)


def test_a_large_file_is_read_once(tmp_path, monkeypatch):
    """Its digest is remembered by inode, size and mtime, and found again when it changes."""
    file = tmp_path / "large"
    file.write_bytes(b"x" * (outside.SMALL + 1))
    first = outside.sha256_cached(file)
    monkeypatch.setattr(outside, "sha256_file", lambda path: "f" * 64)

    assert outside.sha256_cached(file) == first
    os.utime(file, (1, 1))
    assert outside.sha256_cached(file) == "f" * 64


SHIPPED = [*(ROOT / "jobs").glob("*.yaml"), *(ROOT / "src/lading/config/presets").glob("*.yaml")]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_pipeline_that_was_written_and_read_again_has_the_same_keys(file, tmp_path):
    """A launcher in the cluster reads what a laptop resolved and wrote: both must look for the same results."""
    here = load(file)
    there = from_data(json.loads(json.dumps(here.to_data(), sort_keys=True)), folder=tmp_path)

    assert {name: (semantic(stage), outside_of(stage)) for name, stage in there.stages.items()} == {
        name: (semantic(stage), outside_of(stage)) for name, stage in here.stages.items()
    }
