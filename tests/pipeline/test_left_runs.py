"""Who waits for a run whose launcher was killed is told so, with the command that goes on; who waits for one that comes back waits on."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entry_jobs import eventually

COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]
PIPELINE = """
pipeline: slow
stages:
  sleeper:
    kind: script
    settings: {command: [sh, -c, 'echo begun; until [ -e GO ]; do sleep 0.1; done; echo done'], env: {WORD: a}}
"""


class Left:
    """A run whose launcher was killed in the middle of its stage, which goes on until it may end.

    Args:
        folder: to work in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.go = folder, folder / "go"
        (folder / "slow.yaml").write_text(PIPELINE.replace("GO", str(self.go)))
        self.line = ["run", "slow.yaml", "--run", "r1", "--set", "stages.sleeper.settings.env.WORD=two words", "--until", "sleeper"]
        self.processes: list[subprocess.Popen[str]] = []
        launcher = self.start(*self.line)
        eventually(lambda: [path for path in folder.glob(".lading/attempts/*/*/1/logs/0/*") if "begun" in path.read_text()], within_s=60)
        os.kill(launcher.pid, signal.SIGKILL)
        launcher.communicate()

    def start(self, *line: str) -> "subprocess.Popen[str]":
        """A command in a process of its own."""
        process = subprocess.Popen([*COMMAND, *line], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def silent(self, seconds: float, *, who: str = "") -> None:
        """The launcher was heard of last so long ago; `who` it was, where not the one that was killed."""
        for name in ("plan.json", "progress.json"):
            path, then = self.folder / ".lading/runs/r1" / name, time.time() - seconds
            if who and name == "progress.json":
                path.chmod(0o644)
                path.write_text(json.dumps(json.loads(path.read_text()) | {"who": who}))
            os.utime(path, (then, then))

    def end(self) -> None:
        """The stage may end; nothing is left running."""
        self.go.touch()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
        eventually(lambda: [*self.folder.glob(".lading/attempts/*/*/1/outcome-0.json")], within_s=60)


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Left]:
    """The run, in a shell that names no store."""
    monkeypatch.delenv("LADING_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "400")
    run = Left(tmp_path)
    try:
        yield run
    finally:
        run.end()


def test_a_wait_for_a_run_that_nobody_drives(left: Left) -> None:
    """It ends with 4, says why, and names the command that ends the run and the one that goes on with it; typed, that one does."""
    left.silent(70)
    waited = left.start("status", "r1", "--wait")
    out, err = waited.communicate(timeout=60)
    assert (waited.returncode, err) == (4, "")
    assert "‖ interrupted" in out
    assert "nobody drives it now" in out
    assert "lading cancel r1 ends it" in out
    told = re.search(r"(lading run FILE .*?) goes on with it, where FILE is the file of pipeline slow", out)
    assert told, out
    again = shlex.split(told[1].replace("FILE", "slow.yaml"))
    assert again[1:] == left.line

    left.go.touch()
    typed = left.start(*again[1:])
    assert (typed.communicate(timeout=120)[1], typed.returncode) == ("", 0)
    assert left.start("status", "r1", "--wait").wait(60) == 0


def test_json_of_a_wait_in_vain(left: Left) -> None:
    """One document, which says it too."""
    left.silent(70)
    waited = left.start("status", "r1", "--wait", "--json")
    record = json.loads(waited.communicate(timeout=60)[0])
    assert (waited.returncode, record["state"]) == (4, "interrupted")
    assert "nobody drives it now" in record["reason"]


def test_a_launcher_elsewhere_may_come_back(left: Left) -> None:
    """One that a Job may start again is waited for, which is said once; it comes back, and the wait ends as the run does."""
    left.silent(70, who="pod/boot/ns:1@1")
    waited = left.start("status", "r1", "--wait")
    with pytest.raises(subprocess.TimeoutExpired):
        waited.wait(8)
    left.go.touch()
    assert left.start(*left.line).wait(120) == 0
    out, err = waited.communicate(timeout=60)
    assert (waited.returncode, "✓ succeeded" in out) == (0, True)
    assert err == "nothing is heard of the launcher; waits until that is so for 10 min\n"


def test_a_launcher_elsewhere_is_not_waited_for_for_ever(left: Left) -> None:
    """After ten minutes without a word nobody waits any longer."""
    left.silent(601, who="pod/boot/ns:1@1")
    assert left.start("status", "r1", "--wait").wait(60) == 4


def test_the_log_of_a_stage_that_outlives_its_launcher(left: Left) -> None:
    """`logs -f` follows it to its end, then says that nobody drives the run, with 4."""
    left.silent(70)
    followed = left.start("logs", "r1", "sleeper", "-f")
    with pytest.raises(subprocess.TimeoutExpired):
        followed.wait(8)
    left.go.touch()
    out, err = followed.communicate(timeout=60)
    assert (followed.returncode, out) == (4, "begun\ndone\n")
    assert err.startswith("error  run r1 is interrupted: nothing was heard of its launcher for ")
    assert "lading run FILE --run r1 " in err
    assert left.start("logs", "r1", "sleeper").wait(60) == 0
