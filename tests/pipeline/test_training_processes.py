"""Trainings of several processes over gloo, against one process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from support.training_runs import digits_folder

PROGRAM = """
import json, sys
from pathlib import Path
from support.training_runs import train_with

train_with(Path(sys.argv[1]), base=Path(sys.argv[2]), **json.loads(sys.argv[3]))
import torch
assert not torch.distributed.is_initialized(), "a process that ends first would abort its peers"
"""


def trained(base: Path, processes: int, **settings: Any) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Weights and history of a training by so many processes of one thread each."""
    base.mkdir(exist_ok=True)
    script = base / "program.py"
    script.write_text(PROGRAM)
    tests = Path(__file__).parent.parent
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launcher, str(script), str(digits_folder()), str(base), json.dumps(settings)]
    env = {**os.environ, "PYTHONPATH": f"{tests}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    history = json.loads((base / "output" / "history.json").read_text())
    return load_file(str(base / "output" / "model.safetensors")), history["history"]


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest difference of any weight."""
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_a_whole_fp64_training_is_the_same_at_any_world_size(processes: int, tmp_path: Path) -> None:
    """No batch norm, no dropout: weights within 1e-9 after two epochs, though 50 samples don't divide by 3; figures too."""
    settings = {"model": {"name": "cnn", "width": 4}, "epochs": 2, "global_batch_size": 50, "precision": "fp64", "validate_every": 10}
    alone, one = trained(tmp_path / "one", 1, **settings)
    shared, many = trained(tmp_path / "many", processes, **settings)

    assert distance(alone, shared) < 1e-9
    for a, b in zip(one, many, strict=True):
        assert a == pytest.approx(b, abs=1e-9)


@pytest.mark.slow
def test_one_step_is_the_same_within_rounding(tmp_path: Path) -> None:
    """fp32, from one state: weights within 1e-6 after a step by one process and by two."""
    settings = {
        "model": {"name": "cnn", "width": 4},
        "max_steps": 1,
        "global_batch_size": 64,
        "schedule": {"name": "constant", "warmup": 0},
    }

    assert distance(trained(tmp_path / "one", 1, **settings)[0], trained(tmp_path / "two", 2, **settings)[0]) < 1e-6
