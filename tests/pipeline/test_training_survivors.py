"""What is left of a training when one of its pods dies: stage entries in real processes, over gloo and a folder store."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entry_jobs import eventually, gone
from lading.backends.local import LocalBackend
from lading.config.loader import from_data
from lading.launch.run import launch
from lading.plan.job import JobSpec
from lading.store.base import Store
from lading.store.opening import open_store

SETTINGS = {"model": {"name": "cnn", "width": 8}, "epochs": 4000, "global_batch_size": 64, "checkpoint_every": 20}
PIPELINE = {"data": {}, "train": {"needs": ["data"], "nodes": 2, "cpu": 0.5, "grace_s": 5, "settings": SETTINGS}}


class Submitted(BaseException):
    """The job that the launcher would have started."""


class Nowhere(LocalBackend):
    """Runs all but the training."""

    def submit(self, job: JobSpec) -> None:
        if job.kind == "train":
            raise Submitted(job)
        super().submit(job)


def training(store: Store, folder: Path) -> JobSpec:
    """A claimed attempt at a training of two pods, which nobody has started."""
    backend = Nowhere(store.uri)
    try:
        launch(from_data({"pipeline": "p", "stages": PIPELINE}, folder=folder), store, backend)
    except Submitted as submitted:
        job: JobSpec = submitted.args[0]
        return job
    finally:
        backend.close()
    raise AssertionError("no training was started")


def pods(job: JobSpec, folder: Path) -> list[subprocess.Popen[Any]]:
    """Its two stage entries."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        master = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "job.json").write_bytes(job.to_bytes())
    env = os.environ | {"LADING_MASTER": master, "LADING_WORK": str(folder), "LADING_HEARTBEAT_S": "0.5", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "lading.stages", str(folder / "job.json")]
    with (folder / "log").open("wb") as log:
        return [subprocess.Popen(line, env=env | {"JOB_COMPLETION_INDEX": str(i)}, stdout=log, stderr=log) for i in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("dies", [1, 0])
def test_a_survivor_notices_by_itself_and_ends(dies: int, tmp_path: Path) -> None:
    """One pod is killed -9 with all that it started; the other, told by nobody, says that a peer was lost, and is gone."""
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path)
    both = pods(job, tmp_path)
    try:
        eventually(lambda: [stat for stat in store.list(job.id.checkpoints) if "part-1" in stat.key], within_s=180)
        below = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(p, tmp_path)]
        assert len(below) >= 4  # torchrun and worker of each
        both[dies].kill()
        code = both[1 - dies].wait(120)
    finally:
        for process in both:
            process.kill()
            process.wait()

    assert code == 76, (tmp_path / "log").read_text()[-3000:]
    outcome = json.loads(store.read(job.id.outcome(str(1 - dies))))
    assert (outcome["code"], outcome["cause"]) == (76, "peer_lost")
    eventually(lambda: all(gone(pid) for pid in below))


def _works_in(process: Path, folder: Path) -> bool:
    try:
        line = (process / "cmdline").read_bytes().decode()
    except OSError:
        return False
    return f"{folder}/lading-train-" in line


TAKEN_APART = """
import atexit, sys
from pathlib import Path
from lading.stages import worker
atexit.register(lambda: Path(sys.argv[1], "taken-apart").touch())
worker.leave(int(sys.argv[2]))
"""


def test_a_process_that_failed_ends_at_once(tmp_path: Path) -> None:
    """It is not taken apart, which takes torch seconds while its peers wait; one that did well leaves as every process does."""
    for code in (1, 0):
        assert subprocess.run([sys.executable, "-c", TAKEN_APART, str(tmp_path), str(code)], check=False).returncode == code
        assert (tmp_path / "taken-apart").exists() is (code == 0)
