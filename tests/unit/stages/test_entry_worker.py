"""The stage's own process, called here as a function."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from entry_jobs import script
from lading.attempt.records import Cause, Outcome
from lading.config.kinds import Kind
from lading.errors import CannotRunHereError, StoppedError, WrongInputError
from lading.stages import worker, workspace


def boom(context: Any) -> None:
    """A stage function that does what its settings name."""
    what = context.settings.command[0]
    if what == "bug":
        {}["missing"]
    if what == "library":
        json.loads("{")
    if what == "peer":
        raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:12047")
    if what == "collective":
        raise RuntimeError("ProcessGroupGloo: shapes differ")
    if what == "exit":
        raise SystemExit(0)
    if what == "text":
        context.measure(accuracy="high")
    errors = {"wrong": WrongInputError, "gpu": CannotRunHereError, "stopped": StoppedError}
    if what in errors:
        raise errors[what]("a sentence", do="a command")
    context.measure(accuracy=0.5, loss=float("inf"))
    context.progress(50.0, step=3)


def work_on(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str = f"{__name__}:boom") -> tuple[int, Any]:
    """Exit code, and result or outcome."""
    job = script(tmp_path / "store", "", settings={"command": [what]})
    monkeypatch.setitem(worker.KINDS, "script", Kind("script", "lading.config.settings.script:ScriptSettings", function, any_needs=True))
    workspace.make(tmp_path, job)
    (tmp_path / "inputs" / "measurements.json").write_text("{}")
    code = worker.main(tmp_path)
    if (tmp_path / "outcome.json").exists():
        return code, Outcome.model_validate_json((tmp_path / "outcome.json").read_bytes())
    return code, SimpleNamespace(**json.loads((tmp_path / "result.json").read_bytes()))


def test_a_result_holds_numbers_or_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements, warnings and progress come out; an infinity is null and a warning."""
    code, result = work_on("well", tmp_path, monkeypatch)
    assert code == 0
    assert result.measurements == {"accuracy": 0.5, "loss": None}
    assert result.warnings == ["measurement loss is inf"]
    assert json.loads((tmp_path / "progress.json").read_bytes())["step"] == 3


@pytest.mark.parametrize(
    ("what", "code", "cause", "says"),
    [
        ("bug", 70, Cause.FAILED, "KeyError: 'missing'"),
        ("exit", 70, Cause.FAILED, "sys.exit()"),
        ("text", 70, Cause.FAILED, "measurement accuracy is no number but str"),
        ("peer", 76, Cause.PEER_LOST, "Connection closed"),
        ("collective", 70, Cause.FAILED_IN_COLLECTIVE, "shapes differ"),
        ("wrong", 64, Cause.WRONG_INPUT, "a sentence\n  a command"),
        ("gpu", 78, Cause.CANNOT_RUN_HERE, "a sentence"),
        ("stopped", 75, Cause.STOPPED, "a sentence"),
    ],
)
def test_every_way_to_fail_is_told_apart(
    what: str, code: int, cause: Cause, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome of the stage's process has the code, the cause, the sentence and the place in the user's own code."""
    ended, outcome = work_on(what, tmp_path, monkeypatch)
    assert ended == 1
    assert (outcome.code, outcome.cause) == (code, cause)
    assert says in outcome.message
    assert "Traceback" in outcome.traceback
    assert outcome.where.startswith("test_entry_worker.py:")


def test_the_place_is_in_the_users_code_not_in_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception deep in a library points at the line that called it."""
    _, outcome = work_on("library", tmp_path, monkeypatch)
    assert "JSONDecodeError" in outcome.message
    assert outcome.where.endswith("in boom")


def test_a_missing_library_is_78(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage whose library is not installed can't run here, and its name is said; a missing module of lading's own is a bug."""
    (tmp_path / "needs_absent.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, outcome = work_on("x", tmp_path, monkeypatch, function="needs_absent:run")
    assert (outcome.code, outcome.cause) == (78, Cause.CANNOT_RUN_HERE)
    assert "no_such_library_at_all" in outcome.message
