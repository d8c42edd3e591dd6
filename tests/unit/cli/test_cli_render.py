"""lading render: a stage's Job to look at, and what never becomes one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lading.cli import app

PIPELINE = """
pipeline: p
defaults: {DEFAULTS}
stages:
  one: {kind: script, settings: {command: [echo]}}
  two: {kind: script, settings: {command: [echo]}, runner: RUNNER}
"""


@pytest.fixture
def render(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Renders a pipeline whose second stage has this `runner:`; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    def call(*line: str, runner: str = "macos", defaults: str = "") -> tuple[int, str, str]:
        Path("p.yaml").write_text(PIPELINE.replace("RUNNER", runner).replace("DEFAULTS", defaults))
        with pytest.raises(SystemExit) as ended:
            app.main(["render", "p.yaml", "--store", "s3://bucket/prefix", *line])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, " ".join(err.split())

    return call


@pytest.mark.parametrize(("runner", "where"), [("macos", "a Mac"), ("any", "any machine")])
def test_a_stage_for_a_runner_has_no_job(render: Any, runner: str, where: str) -> None:
    """Nothing is printed that would never be sent: what happens instead, and what starts the runner, is said."""
    code, out, err = render("--stage", "two", runner=runner)
    assert (code, out) == (2, "")
    assert f"stage two has `runner: {runner}`, so no Job is made of it" in err
    assert f"a runner on {where} works it" in err
    assert f"lading runner --platform {runner} --store s3://bucket/prefix" in err


def test_a_runner_by_default_is_one_too(render: Any) -> None:
    """It counts also where it comes from `defaults:`."""
    assert render("--stage", "one", defaults="runner: any")[0] == 2


def test_the_job_that_it_would_be_without(render: Any) -> None:
    """What the refusal says to type shows the Job; a stage beside it is rendered as ever."""
    code, out, _ = render("--stage", "two", "--set", "stages.two.runner=null")
    assert (code, yaml.safe_load(out)["metadata"]["labels"]["lading/stage"]) == (0, "two")
    assert render("--stage", "one")[0] == 0
