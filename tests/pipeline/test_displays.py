"""A run goes on to its end whoever looks at it, and however little the terminal can show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]
PIPELINE = """
pipeline: slow
stages:
  first: {kind: script, settings: {command: [sh, -c, 'sleep 1; echo 1 > $LADING_OUTPUT/x']}}
  second: {kind: script, needs: [first], settings: {command: [sh, -c, 'sleep 1; echo 2 > $LADING_OUTPUT/x']}}
  third: {kind: script, needs: [second], settings: {command: [sh, -c, 'sleep 1; echo 3 > $LADING_OUTPUT/x']}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the pipeline."""
    monkeypatch.delenv("LADING_STORE", raising=False)
    (tmp_path / "slow.yaml").write_text(PIPELINE)
    return tmp_path


def states(folder: Path) -> dict[str, str]:
    """How the stages of the only run ended."""
    (end,) = folder.glob(".lading/runs/*/run.json")
    return {name: stage["state"] for name, stage in json.loads(end.read_text())["stages"].items()}


ALL_WELL = {"first": "succeeded", "second": "succeeded", "third": "succeeded"}


def test_a_reader_that_has_seen_enough(folder: Path) -> None:
    """`lading run ... | head -1` runs to its end, writes its page, and says once on stderr that nothing is shown any more."""
    line = f"'{sys.executable}' -c '{COMMAND[2]}' run slow.yaml | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert states(folder) == ALL_WELL
    assert "first" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1] == "141"
    assert done.stderr.count("the run goes on") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [*folder.glob(".lading/runs/*/report.html")], "the page is written all the same"


def test_a_closed_stdout(folder: Path) -> None:
    """`lading run ... >&-` runs to its end, and ends as the run did."""
    line = f"'{sys.executable}' -c '{COMMAND[2]}' run slow.yaml >&-"
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert states(folder) == ALL_WELL
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_few_characters(folder: Path, encoding: str) -> None:
    """Marks that stdout can't show are told by others; no run ends for them."""
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([*COMMAND, "run", "slow.yaml"], cwd=folder, env=env, capture_output=True, timeout=120, check=False)
    said = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert states(folder) == ALL_WELL
    assert "+ succeeded" in said
    again = subprocess.run([*COMMAND, "run", "slow.yaml"], cwd=folder, env=env, capture_output=True, timeout=120, check=False)
    assert (again.returncode, again.stderr) == (0, b"")
    assert "* hit" in again.stdout.decode(encoding)


def test_json_keeps_every_character(folder: Path) -> None:
    """One document of facts is the same in any encoding: what stdout can't show is escaped, not replaced."""
    (folder / "slow.yaml").write_text(PIPELINE.replace("echo 1 >", "echo Grüße… >"))
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, "plan", "slow.yaml", "--json"], cwd=folder, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    plain = subprocess.run([*COMMAND, "plan", "slow.yaml", "--json"], cwd=folder, capture_output=True, timeout=60, check=False)
    assert json.loads(done.stdout) == json.loads(plain.stdout)
