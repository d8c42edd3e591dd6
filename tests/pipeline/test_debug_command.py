"""lading debug: a stage of a run again, here: what a person sees, types and gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NET = """
from torch import nn


def build(shape, classes):
    width = len(shape) - 1
    return nn.Unflatten(1, (width, 0, -1)).no_such_thing
"""
SHOWS = "import os, sys; print(os.environ['FOO'], os.environ['TMPDIR'].endswith('scratch'), sys.executable)"
PIPELINE = f"""
pipeline: p
stages:
  model:
    kind: import
    settings: {{checkpoint: w.safetensors, model: {{file: net.py}}, shape: [1, 8, 8], classes: [a, b]}}
  shows: {{kind: script, settings: {{command: [python, -c, "{SHOWS}"]}}, env: {{FOO: of the stage}}}}
  fails: {{kind: script, settings: {{command: [python, fails.py], files: [fails.py], env: {{BAR: "a b"}}}}, env: {{FOO: bar}}}}
"""


def call(*line: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with what is typed into it."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in which two stages failed and one succeeded."""
    numpy, safetensors = pytest.importorskip("numpy"), pytest.importorskip("safetensors.numpy")
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("debug")
    safetensors.save_file({"w": numpy.zeros(3, dtype="float32")}, folder / "w.safetensors")
    (folder / "net.py").write_text(NET)
    (folder / "fails.py").write_text("import os\nprint('BAR is', os.environ['BAR'])\nraise ValueError('boom')\n")
    (folder / "p.yaml").write_text(PIPELINE)
    ended = call("run", str(folder / "p.yaml"), "--store", str(folder / "store"))
    assert ended.returncode == 1, ended.stderr
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_STORE", str(folder / "store"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_a_stage_runs_in_the_environment_of_a_run() -> None:
    """Its own variables, its own scratch, the Python that runs lading; what it made is in the folder that was named."""
    ended = call("debug", "last", "shows", "--work", "here")

    assert ended.returncode == 0, ended.stderr
    assert f"of the stage True {Path(sys.executable)}" in ended.stdout
    assert f"what it made is in {Path.cwd()}/here/output" in ended.stdout


def test_the_debugger_opens_where_a_stage_failed() -> None:
    """The traceback, the way up to the user's own frame, and there a prompt that knows its variables; no attempt was made of it."""
    plain = call("debug", "last", "model")
    assert plain.returncode == 1
    assert "no_such_thing" in plain.stderr
    assert "the same command with --pdb opens the debugger there" in plain.stderr

    ended = call("debug", "last", "model", "--pdb", typed="u 1\np width * 100\nq\n")
    assert ended.returncode == 1
    assert "error  the stage raised AttributeError" in ended.stderr
    assert "u 1 leads up to net.py:7 in build" in ended.stdout
    assert "(Pdb) 200" in ended.stdout
    assert [place.name for place in Path(os.environ["LADING_STORE"]).glob("attempts/import/*/*")] == ["1"]


def test_a_script_that_failed_is_run_by_hand() -> None:
    """Its command is a process of its own: the line to type is told, and does the same."""
    ended = call("debug", "last", "fails", "--pdb")

    assert ended.returncode == 1
    assert "error  the command 'python fails.py' ended with exit code 1" in ended.stderr
    line = ended.stderr.split("by hand: ")[1].strip()
    again = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert again.stdout == "BAR is a b\n"
    assert "ValueError: boom" in again.stderr


def test_a_folder_that_is_not_empty_is_left_alone() -> None:
    """What lies there would become a part of the stage's output."""
    Path("full").mkdir()
    Path("full/mine").write_text("mine")

    for place in ("full", "full/mine"):
        ended = call("debug", "last", "shows", "--work", place)
        assert ended.returncode == 2
        assert "and a stage starts in an empty folder" in ended.stderr
    assert [one.name for one in Path("full").iterdir()] == ["mine"]
