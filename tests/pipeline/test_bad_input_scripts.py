"""A user's command that goes wrong: what the person at the terminal reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODES = {
    "raises": "def inner():\n    raise ValueError('the moon is full')\ninner()\n",
    "exits": "import sys; sys.exit(3)\n",
    "unpicklable": "import os; open(os.environ['LADING_OUTPUT'] + '/measurements.json', 'w').write('{\"a\": [1]}')\n",
    "nan": "import os; open(os.environ['LADING_OUTPUT'] + '/measurements.json', 'w').write('{\"a\": NaN}')\n",
    "silent": "\n",
    "escapes": "import os; os.symlink('/etc/passwd', os.environ['LADING_OUTPUT'] + '/l')\n",
    "strays": "open('stray.txt', 'w').write('x')\n",
    "beside": "import os; o = os.environ['LADING_OUTPUT']; open(o + '/../near.txt', 'w'); open(o + '/kept', 'w')\n"
    "open(os.environ['TMPDIR'] + '/t', 'w')\n",
    "vandal": "import os; i = os.environ['LADING_INPUTS']; open(i + '/strays/x', 'w'); open(i + '/beside/kept', 'w').write('other')\n",
}


def call(*line: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """One run in which every stage goes wrong in its own way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    lines = ["pipeline: wrong", "stages:"]
    for name, code in MODES.items():
        Path(f"{name}.py").write_text(code)
        needs = ", needs: [strays, beside]" if name == "vandal" else ""
        gates = ', gates: {a: ">= 1"}' if name in ("nan", "silent") else ""
        lines.append(f"  {name}: {{kind: script, settings: {{command: [python, {name}.py], files: [{name}.py]}}{needs}{gates}}}")
    Path("wrong.yaml").write_text("\n".join(lines))
    return call("run", "wrong.yaml")


def test_each_failure_says_what_and_where_in_the_users_own_code(told: subprocess.CompletedProcess[str]) -> None:
    """The cause in a sentence, the last frame of the user's code and none of lading's, no word of retries that nobody asked for."""
    assert told.returncode == 1, told.stdout + told.stderr
    for said in (
        "ValueError: the moon is full",
        "at raises.py:2 in inner",
        "ended with exit code 3",
        "measurements.json: a is [1], and a number is expected",
        "a not a number, must be >= 1",
        "a was not measured",
        "it is a link (to /etc/passwd)",
    ):
        assert said in told.stdout
    for noise in ("script.py", "retries", "worker.py"):
        assert noise not in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


def test_the_log_holds_the_commands_words_and_one_of_ladings(told: subprocess.CompletedProcess[str]) -> None:
    """No frame of lading in the log of a command that failed; a file written beside the output is warned about."""
    log = call("logs", "last", "raises").stdout
    assert "the moon is full" in log
    assert "lading: the command 'python raises.py' ended with exit code 1" in log
    assert "worker.py" not in log


def test_what_a_command_leaves_outside_of_its_output_is_told(told: subprocess.CompletedProcess[str]) -> None:
    """In its working folder, beside the output and in its inputs; not in $TMPDIR; and the inputs in the store are what they were."""
    for stage, said in {
        "strays": ["wrote stray.txt into its working folder, which is thrown away; results belong in $LADING_OUTPUT"],
        "beside": ["wrote near.txt beside $LADING_OUTPUT, where it is thrown away; results belong in $LADING_OUTPUT"],
        "vandal": ["changed beside/kept, strays/x in $LADING_INPUTS: a copy for this stage alone, which is thrown away"],
        "silent": [],
    }.items():
        warnings = json.loads(call("show", "last", stage, "--json").stdout)["manifest"]["warnings"]
        assert [warning.split("; results")[0] for warning in warnings] == [f"the command {one}".split("; results")[0] for one in said]
    assert call("verify", "last", "--deep").returncode == 0
    told_in_the_end = [line.partition(": lading show")[0] for line in told.stdout.splitlines() if line.startswith("!")]
    assert {f"!      {stage} has a warning" for stage in ("strays", "beside", "vandal")} <= {*told_in_the_end}
    assert not any("silent" in line for line in told_in_the_end)


def test_the_attempts_of_a_stage_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """status says how the one before ended; logs shows the last, names the one before it on stderr, and --attempt shows that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    counter = tmp_path / "tries"
    code = f"import pathlib, sys; p = pathlib.Path({str(counter)!r}); n = len(p.read_text()) if p.exists() else 0; "
    code += "p.write_text('x' * (n + 1)); print('try', n); sys.exit(1 - n)"
    Path("retry.py").write_text(code)
    Path("retry.yaml").write_text(
        "pipeline: r\nstages:\n  a: {kind: script, retries: 1, settings: {command: [python, retry.py], files: [retry.py]}}\n"
    )
    ended = call("run", "retry.yaml")
    assert ended.returncode == 0

    told = "a came to attempt 2\n  attempt 1 ended with 70 (failed): the command 'python retry.py' ended with exit code 1"
    assert told in ended.stdout
    assert told in call("status", "last").stdout
    before = json.loads(call("status", "last", "--json").stdout)["stages"]["a"]["before"]
    assert [(one["attempt"], one["code"], one["cause"]) for one in before] == [(1, 70, "failed")]
    assert call("run", "retry.yaml").returncode == 0
    assert "attempt 1 ended" not in call("status", "last").stdout, "a run of hits saw no attempt fail"
    assert "before" not in json.loads(call("status", "last", "--json").stdout)["stages"]["a"]

    last = call("logs", "last", "a")
    assert last.stdout == "try 1\n"
    assert "attempt 2; --attempt 1" in last.stderr
    assert call("logs", "last", "a", "--attempt", "1").stdout.startswith("try 0\n")
