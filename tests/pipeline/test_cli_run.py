"""Whole runs by the command line and by the library, with stages that are real processes."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import pytest

import lading
from lading.backends.identity import lives
from lading.errors import GateFailedError, StageFailedError
from lading.stages.guard import children

PIPELINE = """
pipeline: tiny
stages:
  count:
    kind: script
    settings: {command: [sh, -c, 'echo counting; echo abc > $LADING_OUTPUT/x.txt; echo "{\\"n\\": 3}" > $LADING_OUTPUT/measurements.json']}
    gates: {n: {must: ">= MUST"}}
  after:
    kind: script
    needs: [count]
    settings: {command: [sh, -c, 'cp $LADING_INPUTS/count/x.txt $LADING_OUTPUT/y.txt']}
"""
FAILING = """
pipeline: failing
stages:
  boom: {kind: script, settings: {command: [sh, -c, 'echo "no such class: 11" >&2; exit 3']}}
  after: {kind: script, needs: [boom], settings: {command: [echo, hi]}}
"""
SLOW = """
pipeline: slow
stages:
  sleeper: {kind: script, settings: {command: [sleep, "600"]}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the pipelines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    (tmp_path / "tiny.yaml").write_text(PIPELINE.replace("MUST", "2"))
    (tmp_path / "gated.yaml").write_text(PIPELINE.replace("MUST", "4"))
    (tmp_path / "failing.yaml").write_text(FAILING)
    (tmp_path / "slow.yaml").write_text(SLOW)
    return tmp_path


def call(*line: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_run_and_what_looks_at_it(folder: Path) -> None:
    """run, status, show, logs, pull, verify, debug and the page agree on one run; the second run is all hits."""
    first = call("run", "tiny.yaml")
    assert (first.returncode, first.stderr) == (0, "")
    assert "✓ succeeded" in first.stdout
    page = next(line.split()[-1] for line in first.stdout.splitlines() if line.startswith("page"))
    assert "tiny" in Path(page).read_text()
    assert call("report", "latest", "--to", "here/page.html").stdout == f"{folder / 'here' / 'page.html'}\n"
    assert "tiny" in Path("here/page.html").read_text()

    record = json.loads(call("status", "last", "--json").stdout)
    assert {name: stage["state"] for name, stage in record["stages"].items()} == {"count": "succeeded", "after": "succeeded"}
    assert json.loads(call("show", "last", "count", "--json").stdout)["manifest"]["measurements"]["n"] == 3
    assert call("logs", "last", "count").stdout == "counting\n"
    quiet = call("logs", "last", "after")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "after printed nothing\n")
    assert call("pull", "last", "after", "y", "got.txt").returncode == 0  # the library's short name
    assert Path("got.txt").read_text() == "abc\n"
    assert call("pull", "last", "after", "y", "-").stdout == "abc\n"
    assert "takes one" in call("pull", "last", "count", "all", "-").stderr
    assert not Path("-").exists()
    assert call("verify", "last", "--deep").returncode == 0
    debugged = call("debug", "last", "after", "--work", "work")
    assert debugged.returncode == 0, debugged.stderr
    assert Path("work/output/y.txt").read_text() == "abc\n"

    second = call("run", "tiny.yaml", "--json")
    assert {"hit"} == {stage["state"] for stage in json.loads(second.stdout)["stages"].values()}


def test_damage_is_found(folder: Path) -> None:
    """verify --deep names the artifact whose bytes changed, and ends with 1."""
    assert call("run", "tiny.yaml").returncode == 0
    stored = next(Path(".lading").glob("attempts/*/*/1/artifacts/x.txt"))
    stored.chmod(0o644)
    stored.write_text("abd\n")

    found = call("verify", "last", "--deep", "--json")
    assert found.returncode == 1
    assert {"x.txt"} == {one["artifact"] for one in json.loads(found.stdout)["findings"] if one["state"] == "damaged"}
    assert "x.txt is damaged" in call("pull", "last", "count", "x.txt", "got.txt").stderr

    mended = call("run", "tiny.yaml", "--force", "after")
    assert mended.returncode == 0, mended.stderr
    for told in (mended.stdout, call("status").stdout):
        assert "count came to attempt 2\n  what attempt 1 made no longer counts: the artifact x.txt is damaged\n" in told + "\n"
    assert "what attempt 2 made no longer counts: --force" in call("run", "tiny.yaml", "--only", "count", "--force", "count").stdout


def test_a_cache_that_can_not_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept between commands is a help, never a need: a folder that the system refuses to look at costs nothing but time."""
    monkeypatch.setenv("LADING_CACHE", str(folder / ("x" * 300)))
    planned = call("plan", "tiny.yaml")
    assert (planned.returncode, planned.stderr) == (0, "")


def test_a_failure_leaves_what_helps(folder: Path) -> None:
    """Exit code 1; the cause, where the log is, how to debug, and the command to try again."""
    failed = call("run", "failing.yaml")

    assert failed.returncode == 1
    for said in ("no such class: 11", "lading logs ", "lading debug ", "again  lading run failing.yaml", "- skipped"):
        assert said in failed.stdout
    assert "Traceback" not in failed.stderr


def test_a_gate_ends_with_three(folder: Path) -> None:
    """A `must` that does not hold: its value, its bound, exit code 3; what is behind it is skipped."""
    gated = call("run", "gated.yaml")

    assert gated.returncode == 3
    assert "✗ n 3, must be >= 4" in gated.stdout
    assert "- skipped" in gated.stdout


def test_ctrl_c_stops_in_order(folder: Path) -> None:
    """One interrupt: the stage is stopped, the run is cancelled, exit code 130, nothing is left running."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", "run", "slow.yaml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        _until(lambda: list(Path(".lading").glob("attempts/script/*/1/progress-0.json")))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)

    assert running.returncode == 130, err
    assert "stopping cleanly" in err
    assert "cancelled" in out


@pytest.mark.slow
def test_two_ctrl_c_leave_at_once(folder: Path) -> None:
    """The second interrupt does not wait for anybody; and what was started is asked to stop, not left to work on unseen."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", "run", "slow.yaml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        _until(lambda: list(Path(".lading").glob("attempts/script/*/1/progress-0.json")))
        claim = json.loads(next(Path(".lading").glob("attempts/script/*/1/claim.json")).read_text())["holder"]
        began = time.monotonic()
        for _ in range(2):
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)  # less than the launcher takes to hear of the first
        running.communicate(timeout=60)

    assert running.returncode == 130
    assert time.monotonic() - began < 20
    _until(lambda: not lives(claim["pid"], claim["pid_started"]), limit_s=20)
    assert call("cancel", "last").returncode == 0


def _until(seen: object, *, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not seen():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_the_library_runs_inside_an_event_loop(folder: Path) -> None:
    """As in a notebook: no event loop of its own, no `__main__` guard; the run's results are at hand."""

    async def notebook() -> lading.Run:
        return lading.load("tiny.yaml").run()

    run = asyncio.run(notebook())
    assert run["count"].measurements["n"] == 3
    assert run["count"].artifact("x.txt").read() == b"abc\n"
    assert run["after"].artifact("y").path("here.txt").read_text() == "abc\n"
    assert list(run) == ["count", "after"]
    assert "<svg" in run._repr_html_()
    assert "<svg" in lading.load("tiny.yaml")._repr_html_()
    assert run.id == lading.Run.open().id


def test_the_library_shows_how_it_goes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A line for each stage that changes, on stderr, as the command does where nothing moves; `progress=False` is quiet."""
    lading.load("tiny.yaml").run()
    out, err = capfd.readouterr()
    assert not out
    for stage in ("count", "after"):
        assert re.search(rf"^\d\d:\d\d:\d\d  {stage} +✓ succeeded", err, re.MULTILINE), err
    assert "\x1b" not in err

    lading.load("tiny.yaml").run(force="count", progress=False)
    assert capfd.readouterr() == ("", "")


NOTEBOOK = """
import lading
run = lading.load("tiny.yaml").run()
run
"""


def test_a_notebook_shows_how_it_goes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real kernel, whose event loop is running: one output that changes with the run, then the run's picture."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kernel = tmp_path / "jupyter" / "kernels" / "here"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "here", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="here").execute()

    shown, result = notebook.cells[0].outputs
    assert re.search(r"✓ succeeded +count", shown["data"]["text/plain"])
    assert "<pre" in shown["data"]["text/html"]
    assert "<svg" in result["data"]["text/html"]


def test_the_library_raises_what_happened(folder: Path) -> None:
    """A failed stage and a failed gate are errors of their own; with check=False they are states."""
    with pytest.raises(StageFailedError, match="no such class: 11"):
        lading.load("failing.yaml").run()
    with pytest.raises(GateFailedError, match="must be >= 4"):
        lading.load("gated.yaml").run()
    assert lading.load("gated.yaml").run(check=False).state == "gate_failed"


INTERRUPTED = """
import os, sys, time, lading
from lading import driving
from lading.errors import CancelledError
driving.PAGE_S = 0.0
WHERE = sys.argv[1]
def late(function):
    def call(*args, **words):
        print("now", flush=True)
        time.sleep(2)
        return function(*args, **words)
    return call
if WHERE == "page":
    driving.write_page = late(driving.write_page)
elif WHERE == "tick":
    driving.Following.now = late(driving.Following.now)
try:
    lading.load("slow.yaml").run()
except CancelledError as error:
    print("cancelled:", error.message, flush=True)
"""


@pytest.mark.parametrize("where", ["waiting", "tick", "page"])
def test_an_interrupt_in_the_library_stops_the_children(folder: Path, where: str) -> None:
    """SIGINT during run(), whatever it meets: the run is cancelled and says so, no process of it is left, and the caller goes on."""
    code = INTERRUPTED + "print('goes on', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        _until(lambda: list(Path(".lading").glob("attempts/script/*/1/progress-0.json")))
        claim = json.loads(next(Path(".lading").glob("attempts/script/*/1/claim.json")).read_text())["holder"]
        if where != "waiting":
            assert running.stdout.readline() == "now\n"
        running.send_signal(signal.SIGINT)
        lines = list(takewhile(lambda line: line not in {"goes on\n", ""}, iter(running.stdout.readline, None)))

        assert "cancelled: run" in "".join(lines)
        assert not lives(claim["pid"], claim["pid_started"])
        _until(lambda: not children(running.pid))  # the servers that forked them are gone too
        running.communicate(timeout=60)
