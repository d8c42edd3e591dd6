"""Tables of a run, as it goes on and after: stages stand as in the pipeline's file, and running ones say for how long."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entry_jobs import eventually

COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]
PIPELINE = """
pipeline: upside
stages:
  zulu: {kind: script, settings: {command: [echo, hi]}}
  yankee: {kind: script, needs: [zulu], settings: {command: [sh, -c, 'until [ -e GO ]; do sleep 0.1; done; exit CODE']}}
  kilo: {kind: script, needs: [yankee], settings: {command: [echo, hi]}}
  bravo: {kind: script, needs: [xray, zulu], settings: {command: [echo, hi]}}
  xray: {kind: script, needs: [zulu], settings: {command: [echo, hi]}}
  alfa: {kind: script, settings: {command: [echo, hi]}}
"""
ORDER = ["zulu", "yankee", "kilo", "xray", "bravo", "alfa"]
"""As in the file, but for xray, which bravo needs."""


def call(*line: str) -> str:
    """What a command prints."""
    return subprocess.run([*COMMAND, *line], capture_output=True, text=True, timeout=120, check=False).stdout


def shown(text: str) -> list[str]:
    """The stages of a table, from above."""
    lines = text[text.index("STAGE ") :].splitlines()[1:]
    return [name for line in lines for name in line.split()[:1] if name in ORDER][: len(ORDER)]


@pytest.mark.parametrize("code", [0, 3])
def test_stages_stand_as_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """In `status` while it runs and after, with --json too, in the end table of `run` and on the page; elapsed seconds of what runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    Path("p.yaml").write_text(PIPELINE.replace("GO", str(tmp_path / "go")).replace("CODE", str(code)))
    run = subprocess.Popen([*COMMAND, "run", "p.yaml"], stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        eventually(lambda: (record := live())["stages"].get("bravo", {}).get("state") == "succeeded" and record, within_s=60)
        claims = [
            path for path in Path(".lading").glob("attempts/script/*/1/claim.json") if json.loads(path.read_text())["stage"] == "yankee"
        ]
        before = time.time() - claims[0].stat().st_mtime
        record, text = live(), call("status")
        after = time.time() - claims[0].stat().st_mtime
        assert before - 0.1 <= record["stages"]["yankee"]["seconds"] <= after + 0.1
        assert list(record["stages"]) == ORDER
        assert shown(text) == ORDER
        assert re.search(r"yankee +▸ running +\d+(\.\d)? s", text), text
    finally:
        Path("go").touch()
        out = run.communicate(timeout=120)[0]
    assert shown(out) == shown(call("status")) == ORDER
    assert list(live()["stages"]) == ORDER
    page = next(line.split()[-1] for line in out.splitlines() if line.startswith("page"))
    assert re.findall(r'id="stage-(\w+)"', Path(page).read_text()) == ORDER
    assert shown(call("run", "p.yaml", "--run", live()["run"])) == ORDER


def live() -> dict:
    """The run as `status --json` has it; nothing where there is none yet."""
    text = call("status", "--json")
    found: dict = json.loads(text)
    return found if "stages" in found else {"stages": {}}
