"""lading retrain, promote and champion in real processes: what CI and a CronJob see."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]
PIPELINE = """
pipeline: again
retrain: {time: {every: 24h, stage: make}, cooldown: 1h}
stages:
  make:
    kind: script
    settings: {command: [sh, -c, 'echo $LADING_TICK > $LADING_OUTPUT/tick; exit CODE']}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a pipeline that succeeds and one that fails."""
    monkeypatch.chdir(tmp_path)
    for name in ("LADING_STORE", "LADING_TICK", "LADING_OWNER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "good.yaml").write_text(PIPELINE.replace("CODE", "0"))
    (tmp_path / "bad.yaml").write_text(PIPELINE.replace("CODE", "3").replace("again", "broken"))
    return tmp_path


def call(*line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run([*COMMAND, *line], capture_output=True, text=True, timeout=120, check=False, env=os.environ | env)


def runs(folder: Path) -> list[str]:
    """The runs in the store."""
    return sorted(path.parent.name for path in folder.glob(".lading/runs/*/run.json"))


def test_a_tick_that_fires_twice_decides_and_launches_once(folder: Path) -> None:
    """Both firings end alike and name one run, whose data carries the tick; decision and page are in the store."""
    first = call("retrain", "check", "good.yaml", "--tick", "t1", "--json", "--exit-code")
    second = call("retrain", "check", "good.yaml", "--exit-code", "--json", LADING_TICK="t1")

    assert (first.returncode, second.returncode) == (10, 10), first.stderr + second.stderr
    decision = json.loads(first.stdout)
    assert decision == json.loads(second.stdout)
    assert decision["act"] == "launch"
    assert runs(folder) == [decision["run"]]
    assert len(list(folder.glob(".lading/attempts/script/*/*"))) == 1
    assert next(folder.glob(".lading/attempts/script/*/1/artifacts/tick")).read_text() == "t1\n"
    assert json.loads((folder / ".lading/retrain/again/t1.json").read_bytes())["act"] == "launch"
    assert "# again: launch" in (folder / ".lading/retrain/again/t1.md").read_text()


def test_a_tick_that_was_decided_before_is_told(folder: Path) -> None:
    """Whoever fires an old tick again, as by a Job of a name that was used before, sees that nothing new was decided, and what would."""
    first, second = (call("retrain", "check", "good.yaml", "--tick", "now").stdout for _ in range(2))
    assert "this was decided at" not in first
    assert "this was decided at" in second
    assert "by tick now: another --tick" in second
    assert f"again  {runs(folder)[0]}  ✓ succeeded" in second


def test_a_launch_that_failed_says_why(folder: Path) -> None:
    """What a CronJob's pod leaves in its log: the decision, the stage that failed, the cause, and how to read its log."""
    said = call("retrain", "check", "bad.yaml", "--tick", "now")
    assert said.returncode == 1, said.stdout + said.stderr
    assert "make failed\n" in said.stdout
    assert "ended with exit code 3" in said.stdout
    assert f"lading logs {runs(folder)[0]} make" in said.stdout


def test_two_firings_at_once_decide_and_launch_once(folder: Path) -> None:
    """Started together they share one run: one decision, one attempt, both end well."""
    line = [*COMMAND, "retrain", "check", "good.yaml", "--tick", "t1", "--json"]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert len({json.loads(out)["run"] for out, _ in said}) == 1
    assert len(runs(folder)) == 1
    assert len(list(folder.glob(".lading/attempts/script/*/*/claim.json"))) == 1


def test_ticks_at_once_launch_one_run(folder: Path) -> None:
    """Six firings of three ticks, started together: one launches, the others wait for its run, and each of them saw it through."""
    slow = (folder / "good.yaml").read_text().replace("exit 0", "sleep 3; exit 0")
    (folder / "good.yaml").write_text(slow)
    ticks = ("t1", "t2", "t3") * 2
    line = [*COMMAND, "retrain", "check", "good.yaml", "--json", "--tick"]
    firings = [subprocess.Popen([*line, tick], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for tick in ticks]
    said = [process.communicate(timeout=120) for process in firings]

    assert [process.returncode for process in firings] == [0] * 6, said
    decisions = [json.loads(out) for out, _ in said]
    acts = {decision["tick"]: decision["act"] for decision in decisions}
    assert sorted(acts.values()) == ["launch", "wait", "wait"]
    assert len({decision["run"] for decision in decisions}) == 1
    assert len(runs(folder)) == len(list(folder.glob(".lading/attempts/script/*/*/claim.json"))) == 1


def test_the_exit_code_tells_what_was_decided_and_history_shows_it(folder: Path) -> None:
    """10 launched, 0 nothing due; a failed run ends its own check with 1 at every firing, and the next tick waits: 11."""
    assert call("retrain", "check", "good.yaml", "--tick", "t1", "--exit-code").returncode == 10
    nothing = call("retrain", "check", "good.yaml", "--tick", "t2", "--exit-code")
    assert (nothing.returncode, nothing.stdout.split()[0]) == (0, "nothing"), nothing.stderr
    for _ in range(2):
        assert call("retrain", "check", "bad.yaml", "--tick", "b1", "--exit-code").returncode == 1
    cooling = call("retrain", "check", "bad.yaml", "--tick", "b2", "--exit-code")
    assert cooling.returncode == 11
    assert "cooling down" in cooling.stdout
    assert call("retrain", "check", "bad.yaml", "--tick", "b2").returncode == 0

    shown = json.loads(call("retrain", "history", "--json").stdout)
    assert [(one["check"], one["tick"], one["act"], one["state"]) for one in shown] == [
        ("broken", "b2", "wait", None),
        ("broken", "b1", "launch", "failed"),
        ("again", "t2", "nothing", None),
        ("again", "t1", "launch", "succeeded"),
    ]
    one = call("retrain", "history", "again")
    assert "succeeded" in one.stdout
    assert "broken" not in one.stdout
    assert call("retrain", "history", "nobody").returncode == 2


def test_without_retrain_it_says_what_to_add(folder: Path) -> None:
    """A pipeline without `retrain:` is the user's mistake."""
    (folder / "none.yaml").write_text('pipeline: none\nstages: {a: {kind: script, settings: {command: ["true"]}}}\n')
    said = call("retrain", "check", "none.yaml")
    assert said.returncode == 2
    assert "has no `retrain:`" in said.stderr
    assert "retrain: {time: {every: 24h}}" in said.stderr
