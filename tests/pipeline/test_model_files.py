"""A model file of the user's own that imports local modules: it is what was planned, everywhere, whatever became of the files since."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "lading"]
PIPELINE = """
pipeline: mine
stages:
  data: {}
  train: {needs: [data], settings: {max_steps: 30, validate_every: 30, learning_rate: 0.01, model: {file: FILE, arguments: {width: 8}}}}
  evaluate: {needs: [data, train]}
  export: {needs: [train]}
  check: {needs: [export], settings: {latency_runs: 0, random_inputs: 1}}
  bundle: {needs: [export, check]}
"""
FILES = {
    "nets/net.py": """
import beside
from common.blocks import Block
from . import sub
from torch import nn

def build(shape, classes, width):
    import statistics  # the user's own, also when it is called
    assert statistics.mine
    return Net(nn.Sequential(nn.Flatten(), Block(shape[1] * shape[2], width), sub.head(width, classes), beside.Scale()))

class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, image):
        return self.layers(image)
""",
    "nets/beside.py": """
from __future__ import annotations
import statistics
from dataclasses import dataclass
from torch import nn

@dataclass
class Factor:
    value: float = 1.5

class Scale(nn.Module):
    def forward(self, x):
        import statistics
        return x * (Factor().value if statistics.mine else 0)
""",
    "nets/sub/__init__.py": "from .heads import head\n",
    "nets/sub/heads.py": "from torch import nn\n\ndef head(width, classes):\n    return nn.Linear(width, classes)\n",
    "nets/statistics.py": "mine = True\n",
    "common/blocks.py": "from torch import nn\n\ndef Block(size, width):\n    return nn.Sequential(nn.Linear(size, width), nn.ReLU())\n",
}


def write(folder: Path) -> None:
    """The user's folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def call(cwd: Path, store: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """The command line, from a folder."""
    env = {**os.environ, "LADING_STORE": str(store)}
    return subprocess.run([*COMMAND, *line], capture_output=True, text=True, timeout=800, check=False, cwd=cwd, env=env)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_is_the_files_that_were_planned(tmp_path: Path) -> None:
    """Resolved in one folder and run from another, with every file of the user gone since, and others in their place: trained, evaluated,
    exported, checked and bundled from the copies whose digests are in the key."""
    folder, away, store = tmp_path / "mine", tmp_path / "away", tmp_path / "store"
    write(folder)
    away.mkdir()
    (folder / "p.yaml").write_text(PIPELINE.replace("FILE", "nets/net.py"))
    resolved = call(folder, store, "resolve", "p.yaml")
    assert resolved.returncode == 0, resolved.stderr
    (away / "resolved.json").write_text(resolved.stdout)
    for place in folder.rglob("*.py"):
        place.unlink()
    for name in ("nets/beside.py", "beside.py", "statistics.py", "common/blocks.py"):  # the launcher's own folder is nobody's
        (away / name).parent.mkdir(exist_ok=True)
        (away / name).write_text("raise SystemExit('a file that nobody planned')\n")

    ran = call(away, store, "run", "resolved.json", "--run", "r1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    for kind in ("train", "export", "bundle"):
        found = json.loads(next((store / "manifests" / kind).glob("*/1.json")).read_bytes())["artifacts"]
        assert {name for name in found if name.endswith(".py")} == {
            "model_source.py",
            *(f"model_modules/{name}" for name in FILES if name != "nets/net.py"),
        }
        assert all(one["handed_on"] for name, one in found.items() if name.endswith(".py"))
    debugged = call(away, store, "debug", "r1", "evaluate")
    assert debugged.returncode == 0, debugged.stdout + debugged.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_that_was_not_brought_is_not_found_by_chance(tmp_path: Path) -> None:
    """A module that lies where the command was typed, and not beside the model, fails here as it would in a pod."""
    write(tmp_path / "mine")
    (tmp_path / "mine/p.yaml").write_text(PIPELINE.replace("FILE", "nets/net.py"))
    (tmp_path / "mine/nets/statistics.py").write_text("from stray import mine\n")
    (tmp_path / "stray.py").write_text("mine = True\n")

    ran = call(tmp_path, tmp_path / "store", "run", "mine/p.yaml", "--until", "train")

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "No module named 'stray'" in ran.stdout + ran.stderr
