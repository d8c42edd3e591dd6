"""Files of the user that are wrong: said by `lading plan`, before anything runs, with the file and the line."""

import json
from pathlib import Path
from typing import Any

import pytest

from lading.cli import app

PIPELINE = """
pipeline: p
stages:
  data: {}
  train: {needs: [data], settings: {epochs: 1, model: {file: net.py, factory: build}}}
"""


@pytest.fixture
def plan(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Plans a pipeline with a model file of this text; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    monkeypatch.setenv("LADING_CACHE", str(tmp_path / "cache"))

    def call(text: str | None, *line: str) -> tuple[int, str, str]:
        Path("p.yaml").write_text(PIPELINE)
        if text is not None:
            Path("net.py").write_text(text)
        with pytest.raises(SystemExit) as ended:
            app.main(list(line or ("plan", "p.yaml")))
        return (int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    ("text", "said", "do"),
    [
        (None, "stage train names the file net.py, and {folder}/net.py is not there", "check the path"),
        ("x = 1\ndef build(:\n", "stage train: {folder}/net.py:2: this is not Python", "mend it"),
        (
            "class Net: ...\n\ndef biuld(): ...\n",
            "stage train: the model file {folder}/net.py has no 'build'; it has Net (line 1), biuld (line 3)",
            "did you mean `factory: biuld`?",
        ),
        ("", "has no 'build'; it has no function and no class", "set `factory:`"),
        ("def f():\n    build = 1\n", "has no 'build'; it has f (line 1)", "set `factory:`"),
        ("import subprocess\ndef build(): ...\n", "uses what a model has no need of:\n         line 1: import subprocess", "trust: true"),
    ],
)
def test_a_model_file_that_is_wrong_is_found_by_the_plan(plan: Any, text: str | None, said: str, do: str) -> None:
    """Exit code 2, the sentence and what to do; nothing was imported, and no store was made."""
    code, out, err = plan(text)

    assert (code, out) == (2, "")
    assert said.format(folder=Path.cwd()) in err
    assert do in err
    assert not Path(".lading").exists()


@pytest.mark.parametrize(
    "text",
    [
        "def build(): ...",
        "class build: ...",
        "build = None",
        "build: object = None",
        "from parts import make as build",
        "from parts import *",
        "if True:\n    def build(): ...\nelse:\n    build = None",
        "try:\n    import torch\nexcept ImportError as e:\n    def build(): ...",
        "def __getattr__(name): ...",
        "raise SystemExit('a plan runs nothing')\ndef build(): ...",
    ],
)
def test_a_factory_that_may_be_there_passes(plan: Any, text: str) -> None:
    """However a module comes by its names; and the file isn't run."""
    code, out, err = plan(text)

    assert code == 0, err
    assert "train" in out


def test_a_local_module_is_looked_at_as_the_model_file_is(plan: Any) -> None:
    """What was moved into a helper is found there, with its line; `trust` skips both."""
    Path("helper.py").write_text("from torch import nn\nfrom torch.hub import load\n")
    code, _, err = plan("from helper import nn\ndef build(): ...\n")
    assert code == 2
    assert f"stage train: the model file {Path.cwd()}/helper.py uses what a model has no need of" in err
    assert "line 2: from torch.hub import load" in err
    Path("trusting.yaml").write_text(PIPELINE.replace("file: net.py", "file: net.py, trust: true"))
    assert plan("from helper import nn\ndef build(): ...\n", "plan", "trusting.yaml")[0] == 0


def test_the_wrong_files_of_all_stages_are_told_at_once(plan: Any) -> None:
    """Each stage's, in one message."""
    two = PIPELINE + "  say: {kind: script, settings: {command: [python, a.py], files: [a.py]}}\n"
    Path("two.yaml").write_text(two)
    code, _, err = plan("", "plan", "two.yaml")

    assert code == 2
    assert "stage train: the model file" in err
    assert "stage say names the file a.py" in err


def test_a_resolved_form_that_names_a_file_by_path_alone(plan: Any) -> None:
    """Such a file can't be found on the machine that runs it: said before anything is launched, with the command that mends it."""
    code, out, _ = plan("def build(): ...", "resolve", "p.yaml")
    assert code == 0
    resolved = json.loads(out)
    resolved["stages"]["train"]["settings"]["model"]["file"]["sha256"] = None
    Path("resolved.json").write_text(json.dumps(resolved))

    for verb in ("plan", "run"):
        code, _, err = plan(None, verb, "resolved.json")
        assert code == 2
        assert "stage train names net.py by path alone, and only the machine where it lies knows its bytes" in err
        assert "lading resolve PIPELINE --store STORE > resolved.json" in err
