"""Stores that are wrong, foreign or newer: what the command line says, and what it leaves alone."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest


def call(*line: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pipeline of one stage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    Path("p.yaml").write_text('pipeline: p\nstages:\n  a: {kind: script, settings: {command: ["true"]}}\n')
    return tmp_path


def test_a_result_of_a_newer_lading_is_never_overruled(folder: Path) -> None:
    """plan, run and gc end with 2 and say to upgrade, also with --force; the newer manifest stays the only record of its key."""
    assert call("run", "p.yaml").returncode == 0
    place = next(Path(".lading/manifests/script").glob("*/1.json"))
    place.chmod(0o644)
    place.write_text(place.read_text().replace("lading/manifest/v1", "lading/manifest/v2"))

    for line in (["plan", "p.yaml"], ["run", "p.yaml"], ["run", "p.yaml", "--force", "a"], ["gc", "--older-than", "0s"]):
        ended = call(*line)
        assert ended.returncode == 2, ended.stdout
        assert "it was made by a newer lading (lading/manifest/v2)" in ended.stderr
        assert "upgrade lading" in ended.stderr
    assert [place.name] == [one.name for one in place.parent.iterdir()]


@pytest.mark.parametrize("verb", ["plan", "run", "status", "runs"])
def test_a_store_that_is_a_file_is_named_as_that(folder: Path, verb: str) -> None:
    """A file where a folder should be: exit code 2, and a sentence that says so; it is left as it is."""
    Path("afile").write_text("mine")
    ended = call(verb, *(["p.yaml"] if verb in ("plan", "run") else []), "--store", "afile")

    assert ended.returncode == 2
    assert "is a file, and a store is a folder" in ended.stderr
    assert Path("afile").read_text() == "mine"


@pytest.mark.parametrize("line", [["cancel", "last"], ["promote", "last"], ["champion", "m", "--rollback"], ["gc"]])
def test_nothing_is_decided_in_a_store_that_keeps_no_promise(folder: Path, line: list[str]) -> None:
    """Who decides without launching reads what the last probe found: exit code 4, what is wrong with the store, and what to use."""
    assert call("run", "p.yaml").returncode == 0
    problem = "it ignores the condition of a write"
    Path(".lading/probe.json").write_text(json.dumps({"schema": "lading/probe/v1", "honest": False, "problem": problem}))

    ended = call(*line)
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert f"the store {folder}/.lading can't be used: {problem}" in ended.stderr
    assert "use a server with conditional writes" in ended.stderr
    assert call("status", "last").returncode == 0, "what was decided before may be looked at"
    assert call("run", "p.yaml").returncode == 0, "a launcher probes again, and writes down that it keeps its promise"
    assert "can't be used" not in call(*line).stderr


@pytest.mark.parametrize("verb", ["plan", "run", "status", "doctor"])
def test_a_store_below_a_file(folder: Path, verb: str) -> None:
    """A folder that can't be there because one above it is a file: exit code 2, and which file it is."""
    Path("afile").write_text("mine")
    ended = call(verb, *(["p.yaml"] if verb in ("plan", "run") else []), "--store", "afile/store")

    assert ended.returncode == 2
    assert f"afile/store can't be there: {folder}/afile is a file" in ended.stderr


def test_a_store_where_nothing_can_be_made(folder: Path) -> None:
    """A folder that can't be made: exit code 2, the store, why, where to look and what else to name; no traceback."""
    ended = call("run", "p.yaml", "--store", "/proc/nowhere")

    assert ended.returncode == 2
    assert "the store's folder /proc/nowhere can't be made: No such file or directory" in ended.stderr
    assert "ls -ld /proc; or name another: --store" in ended.stderr
    assert "Traceback" not in ended.stderr


def without_override(*line: str) -> subprocess.CompletedProcess[str]:
    """The command line as one whom permissions bind: root, too, once it has let go of the capability."""

    def bound() -> None:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE

    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, preexec_fn=bound)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's own")
def test_a_store_that_may_not_be_written(folder: Path) -> None:
    """A read-only folder, and one above a store that is not there yet: exit code 2, the folder, and the command that shows why."""
    Path("closed").mkdir(mode=0o555)

    made = without_override("run", "p.yaml", "--store", "closed/store")
    assert made.returncode == 2, made.stderr
    assert f"the store's folder {folder}/closed/store can't be made: Permission denied" in made.stderr
    assert f"ls -ld {folder}/closed; or name another" in made.stderr

    written = without_override("run", "p.yaml", "--store", "closed")
    assert written.returncode == 2, written.stderr
    assert f"in {folder}/closed: Permission denied" in written.stderr
    assert f"ls -ld {folder}/closed" in written.stderr
