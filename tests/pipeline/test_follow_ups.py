"""The commands that are printed to be typed next work as they are: each is read from the output and run, wherever the store came from."""

import json
import os
import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from lading.names import RunPlaces
from lading.store.directory import DirectoryStore
from support.finished_runs import make_run

FAILING = """
pipeline: failing
STORE
stages:
  boom: {kind: script, settings: {command: [sh, -c, 'echo "no such class: 11" >&2; exit 3']}}
"""
GATED = """
pipeline: gated
STORE
retrain: {time: {every: 24h, stage: count}, cooldown: 1h}
stages:
  count:
    kind: script
    settings: {command: [sh, -c, 'echo "{\\"n\\": 3}" > $LADING_OUTPUT/measurements.json']}
    gates: {n: {must: ">= MUST"}}
"""
FIRST, SECOND = "20261125T100000Z-aaaa", "20261126T100000Z-bbbb"
COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]


class Shell:
    """A shell in a folder, and how its user says where the store is.

    Args:
        folder: to work in.
        how: `--store`, `pipeline` (its `store:`), `LADING_STORE` or `default`.
    """

    def __init__(self, folder: Path, how: str) -> None:
        self.folder, self.how = folder, how
        self.store = folder / (".lading" if how == "default" else "my store")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("LADING_")}
        self.env |= {"COLUMNS": "400", "NO_COLOR": "1"}
        self.option = ["--store", str(self.store)] if how == "--store" else []
        if how == "LADING_STORE":
            self.env["LADING_STORE"] = str(self.store)
        said = "store: my store" if how == "pipeline" else ""
        (folder / "failing.yaml").write_text(FAILING.replace("STORE", said))
        (folder / "gated.yaml").write_text(GATED.replace("STORE", said).replace("MUST", "4"))
        (folder / "good.yaml").write_text(GATED.replace("STORE", said).replace("MUST", "2"))

    def __call__(self, *line: str) -> subprocess.CompletedProcess[str]:
        """Types a command, and where the store is as this user does; who has it in the pipeline types it for the others."""
        files = any(word.endswith(".yaml") for word in line)
        there = self.option if files or self.how != "pipeline" else ["--store", str(self.store)]
        return self.type(["lading", *line, *there])

    def type(self, line: list[str]) -> subprocess.CompletedProcess[str]:
        """Types exactly this."""
        assert line[0] == "lading"
        return subprocess.run(
            [*COMMAND, *line[1:]], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )

    def told(self, text: str, *verbs: str) -> list[list[str]]:
        """The commands in an output, which must be of just these verbs; none says more than this user must say."""
        lines = [shlex.split(line) for line in re.findall(r"lading (?:[^;\n]|;(?! ))*", text)]
        assert [line[1] for line in lines] == [*verbs], text
        must = self.how in {"--store", "pipeline"}
        assert all(("--store" in line) == must for line in lines), text
        return lines


@pytest.fixture(params=["--store", "pipeline"])
def shell(tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    """A folder to work in, for each way to say where the store is."""
    return Shell(tmp_path, request.param)


@pytest.mark.parametrize("shell", ["--store", "pipeline", "LADING_STORE", "default"], indirect=True)
def test_what_a_failed_run_says(shell: Shell) -> None:
    """`run` and `status` name the log and the debugger of what failed; each finds the run; `run` the command to try again."""
    failed = shell("run", "failing.yaml")
    text, _, again = failed.stdout.partition("again ")
    log, debug = shell.told(text, "logs", "debug")
    assert "no such class: 11" in shell.type(log).stdout
    assert "no such class: 11" in shell.type(debug).stderr
    assert shell.type(shlex.split(again)).returncode == 1
    status = shell("status", log[2])
    assert shell.told(status.stdout, "logs", "debug") == [log, debug]


def test_what_a_gate_says(shell: Shell) -> None:
    """`run` names what shows the measurements."""
    text, _, _ = shell("run", "gated.yaml").stdout.partition("again ")
    (show,) = shell.told(text, "show")
    assert shell.type(show).returncode == 0
    assert shell.told(shell("status").stdout, "show") == [show]


def test_what_a_check_says(shell: Shell) -> None:
    """`retrain check` names the run that it launched."""
    checked = shell("retrain", "check", "good.yaml", "--tick", "one")
    (status,) = shell.told(checked.stdout, "status")
    shown = shell.type(status)
    assert (shown.returncode, "gated" in shown.stdout) == (0, True), shown.stderr


def test_what_a_cancel_says(shell: Shell) -> None:
    """`cancel` names what shows how the run ended."""
    run = json.loads(shell("run", "good.yaml", "--json").stdout)["run"]
    (status,) = shell.told(shell("cancel", run).stdout, "status")
    assert run in shell.type(status).stdout


def test_what_a_promotion_says(shell: Shell) -> None:
    """`promote` names the way back, which leads back; refused, it names what shows the run."""
    store = DirectoryStore(shell.store)
    make_run(store, FIRST)
    make_run(store, SECOND, accuracy=0.98)
    make_run(store, "20261127T100000Z-cccc", state="failed")
    assert shell("promote", FIRST).returncode == 0
    (back,) = shell.told(shell("promote", SECOND).stdout, "champion")
    assert "of run rollback" in shell.type(back).stdout.splitlines()[0]
    (status,) = shell.told(shell("promote", "last").stderr, "status")
    assert "20261127T100000Z-cccc" in shell.type(status).stdout


def test_what_errors_say(shell: Shell) -> None:
    """What is not there names a command that shows what is; with --json as well."""
    store = DirectoryStore(shell.store)
    record = make_run(store, FIRST, state="failed")
    record["stages"]["train"] |= {"state": "skipped", "key": None, "attempt": None}
    store.write(RunPlaces(FIRST).end, json.dumps(record).encode())
    for line in (("show", FIRST, "train"), ("logs", FIRST, "train")):
        refused = shell(*line)
        (status,) = shell.told(refused.stderr, "status")
        assert FIRST in shell.type(status).stdout, refused.stderr
    (runs,) = shell.told(shell("status", "2027").stderr.replace(" lists all", ""), "runs")
    assert FIRST in shell.type(runs).stdout
    told = json.loads(shell("show", FIRST, "train", "--json").stdout)["error"]["do"]
    assert shell.type(shlex.split(told)).returncode == 0


def test_what_a_run_that_nobody_reads_says(shell: Shell) -> None:
    """Where its output is read no more, `run` goes on and names what shows it; once, whether it makes anything or finds all made."""
    for word in ("", "the run has ended"):
        reader, writer = os.pipe()
        os.close(reader)
        line = [*COMMAND, "run", "good.yaml", *shell.option]
        ended = subprocess.run(
            line, cwd=shell.folder, env=shell.env, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
        os.close(writer)
        (told,) = ended.stderr.splitlines()
        assert word in told
        (status,) = shell.told(told, "status")
        assert "✓ succeeded" in shell.type(status).stdout


def test_what_the_page_says(shell: Shell) -> None:
    """The page of a failed run is read in any shell: its commands name the store whatever led to it."""
    failed = shell("run", "failing.yaml")
    page = Path(next(line.split(maxsplit=1)[1] for line in failed.stdout.splitlines() if line.startswith("page"))).read_text()
    commands = [shlex.split(unescape(code)) for code in re.findall(r"<code>(lading .*?)</code>", page)]
    assert [line[1] for line in commands] == ["logs", "debug"]
    shell.env.pop("LADING_STORE", None)
    elsewhere = shell.folder / "elsewhere"
    elsewhere.mkdir()
    shell.folder = elsewhere
    assert "no such class: 11" in shell.type(commands[0]).stdout


def test_a_file_with_a_blank(tmp_path: Path) -> None:
    """`init` names the file as a shell takes it."""
    shell = Shell(tmp_path, "default")
    wrote = shell("init", "--preset", "script", "my file.yaml")
    plan, _ = shell.told(wrote.stdout, "plan", "run")
    assert shell.type(plan).returncode == 0
