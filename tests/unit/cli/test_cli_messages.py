"""What a user sees: the message, the next act and the exit code of every mistake, never a traceback."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lading.cli import app
from lading.codes import Code, Exit
from lading.store.directory import DirectoryStore
from support.finished_runs import make_run

RUN = "20261125T100000Z-bbbb"
GOOD = """
pipeline: tiny
stages:
  hello: {kind: script, settings: {command: [echo, hi]}}
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def lading(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*line: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            app.main(list(line))
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """The default store of the folder, with one finished run."""
    store = DirectoryStore(tmp_path / ".lading")
    make_run(store, RUN)
    return store


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["plan", "nope.yaml"], "nope.yaml: there is no such file"),
        (["plan", "good.yaml", "--only", "helo"], "did you mean 'hello'?"),
        (["plan", "good.yaml", "--until", "x"], "it has: hello"),
        (["run", "good.yaml", "--force", "helo"], "the pipeline has no stage 'helo'"),
        (["plan", "good.yaml", "--store", "ftp://x"], "no store speaks 'ftp'"),
        (["plan", "good.yaml", "--set", "stages.hello.settings.comand=3"], "comand"),
        (["explain", "99"], "no stage and no command of lading ends with 99"),
        (["schema", "pipelin"], "there is no schema of 'pipelin'"),
        (["init", "--preset", "digit"], "digit"),
        (["init", "--preset", "script", "good.yaml"], "good.yaml is there already"),
        (["gc", "--older-than", "soon"], "'soon' is not a duration"),
        (["runs", "--store", "s3://key:secret@bucket/x"], "put credentials in"),
        (["status", "last"], "no runs in"),
        (["champion", "digits"], "has no champion"),
    ],
)
def test_a_mistake_is_said(lading: Any, line: list[str], said: str) -> None:
    """Each is a sentence on stderr, with exit code 2, nothing on stdout and no traceback."""
    Path("good.yaml").write_text(GOOD)

    ended = lading(*line)
    assert said in ended.err
    assert ended.err.startswith("error  ")
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["show", "last", "trane"], "did you mean 'train'?"),
        (["show", "2027", "train"], f"the newest is {RUN}"),
        (["pull", "last", "train", "model.bim", "x"], "did you mean 'model.bin'?"),
        (["logs", "last", "nope"], "has no stage 'nope'"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(lading: Any, store: DirectoryStore, line: list[str], said: str) -> None:
    """Runs, stages and artifacts that are not there."""
    ended = lading(*line)

    assert said in ended.err
    assert ended.code == 2


@pytest.mark.parametrize(
    ("line", "said", "do"),
    [
        (["pln"], "lading has no command 'pln'", "did you mean 'lading plan'?"),
        (["stauts", "last"], "lading has no command 'stauts'", "did you mean 'lading status'?"),
        (["xyz"], "lading has no command 'xyz'", "lading -h lists what there is"),
        (["status", "--wiat"], "there is no option --wiat; did you mean --wait?", "lading status -h says what it takes"),
        (["--nosuch", "runs"], "there is no option --nosuch", "lading -h says what it takes"),
        (["show", "last"], "missing argument 'STAGE'", "lading show -h"),
        (["runs", "--last", "x"], "invalid value for '--last' / '-n'", "lading runs -h"),
        (["retrain", "chek"], "no such command 'chek'. Did you mean 'check'?", "lading retrain -h"),
        (["retrain", "check", "--nosuch"], "there is no option --nosuch", "lading retrain check -h"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_that_cannot_be_parsed(lading: Any, line: list[str], said: str, do: str, as_json: bool) -> None:
    """Told as every other mistake: a sentence and what to do on stderr; with --json, one document on stdout too."""
    ended = lading(*line, *(["--json"] if as_json else []))

    assert ended.code == 2
    assert ended.err.startswith(f"error  {said}")
    assert do in ended.err
    if as_json:
        error = json.loads(ended.out)["error"]
        assert error["message"].startswith(said)
        assert do in error["do"]
        assert error["exit"] == 2
    else:
        assert ended.out == ""


def test_json_errors_are_one_document(lading: Any) -> None:
    """With --json, stdout holds one document that says what went wrong."""
    ended = lading("status", "last", "--json")

    assert "no runs in" in json.loads(ended.out)["error"]["message"]
    assert ended.code == 2


def test_a_bug_is_called_one(lading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw: a sentence, where it is, and how to see more; the traceback only with --debug."""

    def burst(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("lading.cli.cmd_runs.store_for", burst)

    ended = lading("runs")
    assert "ZeroDivisionError at test_cli_messages.py" in ended.err
    assert "this is a bug in lading" in ended.err
    assert "Traceback" not in ended.err
    assert ended.code == 1
    assert "Traceback" in lading("runs", "--debug").err


def test_ctrl_c_is_130(lading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt ends with a word and the code of one."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lading.cli.cmd_runs.store_for", interrupted)

    ended = lading("runs")
    assert ended.code == 130
    assert "stopped by Ctrl-C" in ended.err


def test_help_names_every_verb(lading: Any) -> None:
    """Each verb that is there, with a sentence, within 80 columns."""
    ended = lading("--help")

    for verb in (
        "init",
        "plan",
        "run",
        "status",
        "logs",
        "show",
        "pull",
        "verify",
        "gc",
        "doctor",
        "explain",
        "schema",
        "debug",
        "compare",
    ):
        assert f"│ {verb} " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("verb", sorted(name for name, verb in app.VERBS.items() if app._there(verb)))
def test_each_verb_explains_itself(lading: Any, verb: str) -> None:
    """`lading VERB --help` works and says more than nothing."""
    ended = lading(verb, "--help")

    assert ended.code == 0
    assert "Usage: lading" in ended.out


def test_plan_is_a_table(lading: Any) -> None:
    """Stage, key, state and why, within 80 columns, and it writes nothing."""
    Path("good.yaml").write_text(GOOD)

    ended = lading("plan", "good.yaml")
    assert "hello" in ended.out
    assert "○ miss" in ended.out
    assert not Path(".lading").exists()
    assert max(map(len, ended.out.splitlines())) <= 80


def test_facts_come_as_json(lading: Any, store: DirectoryStore) -> None:
    """One document each, and nothing else on stdout."""
    Path("good.yaml").write_text(GOOD)

    assert json.loads(lading("plan", "good.yaml", "--json").out)["stages"]["hello"]["state"] == "miss"
    assert [one["run"] for one in json.loads(lading("runs", "--json").out)] == [RUN]
    assert {"settings", "measurements"} <= set(json.loads(lading("compare", "last", "--json").out))
    assert json.loads(lading("explain", "65", "--json").out)["code"] == 65
    assert json.loads(lading("doctor", "--json").out)["checks"]


def test_doctor_measures_the_disk_where_stages_work(lading: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LADING_WORK is where they do, also before that folder is there; without it the system's folder for temporary files."""
    monkeypatch.setenv("LADING_WORK", str(tmp_path / "large" / "disk"))
    monkeypatch.setenv("TMPDIR", "/nowhere")
    (tmp_path / "large").mkdir()
    (disk,) = [one for one in json.loads(lading("doctor", "--json").out)["checks"] if one["name"] == "disk"]
    assert f"free at {tmp_path / 'large'}," in f"{disk['told']},"
    monkeypatch.delenv("LADING_WORK")
    (disk,) = [one for one in json.loads(lading("doctor", "--json").out)["checks"] if one["name"] == "disk"]
    assert f"free at {tempfile.gettempdir()}," in disk["told"]


@pytest.mark.parametrize("code", sorted({*map(int, Code), *map(int, Exit)}))
def test_every_code_is_explained(lading: Any, code: int) -> None:
    """What it is, what lading does and what a person can do, within 80 columns; as JSON too, and all codes in one table."""
    ended = lading("explain", str(code))

    assert ended.code == 0
    assert f"ends with {code}\n" in ended.out
    for head in ("  is    ", "  then  ", "  do    "):
        assert head in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    told = json.loads(lading("explain", str(code), "--json").out)
    assert told["code"] == code
    assert all(told[field] for field in ("of", "meaning", "then", "do"))
    assert f"\n {code:>3}  " in lading("explain").out
    assert f"a stage that ends with {code}" in ended.out if code in set(Code) else f"lading that ends with {code}" in ended.out


def test_explain_tells_what_a_kind_can_be_set_by(lading: Any) -> None:
    """Every setting with its default and its meaning, which the schema gives to editors too."""
    told = lading("explain", "data").out
    schema = json.loads(lading("schema").out)

    assert "seed: 7" in told
    assert "primary_length: 128" in told
    assert "Shares that are kept from training." in told
    assert schema["$defs"]["data-settings"]["properties"]["seed"]["description"] == "Of the split."
    assert "command: (must be given)" in lading("explain", "script").out
    assert "the kinds are data," in lading("explain", "dta").err


def test_a_run_that_has_ended_is_not_said_to_be_cancelled(lading: Any, store: DirectoryStore) -> None:
    """cancel on a run that ended says so, in words and as JSON."""
    assert "had ended already: " in lading("cancel", RUN).out
    assert json.loads(lading("cancel", RUN, "--json").out)["cancelled"] is False


def test_init_writes_what_plan_reads(lading: Any) -> None:
    """A preset's file is a good pipeline."""
    assert lading("init", "--preset", "script", "my.yaml").code == 0
    assert lading("plan", "my.yaml").code == 0


def test_hostile_names_do_not_reach_the_terminal(lading: Any, store: DirectoryStore) -> None:
    """Escape sequences in what the store holds are not passed on."""
    record = json.loads(store.read(f"runs/{RUN}/run.json"))
    record["pipeline"] = "\x1b]0;owned\x07"
    store.write("runs/20270101T000000Z-evil/run.json", json.dumps(record).encode())

    assert "\x1b" not in lading("runs").out


def test_import_is_cheap() -> None:
    """`import lading` brings in neither pydantic nor anything else that is heavy."""
    code = "import sys, lading; print(sorted({'pydantic', 'typer', 'boto3', 'jinja2', 'torch'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
