"""What is left of a training when one of its pods dies: stage entries in real processes, over gloo and a folder store."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entry_jobs import eventually, gone
from lading.attempt.observe import attempts
from lading.attempt.verdict import judge
from lading.backends.local import LocalBackend
from lading.config.loader import from_data
from lading.launch.run import launch
from lading.manifest.handoff import standing
from lading.plan.job import JobSpec
from lading.store.base import Store
from lading.store.opening import open_store

SETTINGS = {"model": {"name": "cnn", "width": 8}, "epochs": 4000, "global_batch_size": 64, "checkpoint_every": 20}
NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.inner, self.calls = nn.Linear(64, classes), 0

    def forward(self, image):
        self.calls += 1
        WHAT
        return self.inner(image.flatten(1))


def build(classes):
    return Net(classes)
"""
FAILING = NET.replace(
    "WHAT",
    """if self.calls > 5 and torch.distributed.get_rank() == 1:
            raise KeyError("no such class: 11")""",
)
PAUSING = NET.replace(
    "WHAT",
    """import pathlib, time
        while self.calls == 60 and pathlib.Path("HELD").exists():
            time.sleep(0.01)""",
)
"""Stands still at its 60th step while the file HELD is there, whatever the machine's speed."""


class Submitted(BaseException):
    """The job that the launcher would have started."""


class Nowhere(LocalBackend):
    """Runs all but the training."""

    def submit(self, job: JobSpec) -> None:
        if job.kind == "train":
            raise Submitted(job)
        super().submit(job)


def training(store: Store, folder: Path, **settings: Any) -> JobSpec:
    """A claimed attempt at a training of two pods, which nobody has started."""
    train = {"needs": ["data"], "nodes": 2, "cpu": 0.5, "grace_s": 5, "settings": {**SETTINGS, **settings}}
    backend = Nowhere(store.uri)
    try:
        launch(from_data({"pipeline": "p", "stages": {"data": {}, "train": train}}, folder=folder), store, backend)
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


@contextlib.contextmanager
def two_pods(job: JobSpec, folder: Path) -> Iterator[list[subprocess.Popen[Any]]]:
    """Its two stage entries, which do not outlive the block."""
    both = pods(job, folder)
    try:
        yield both
    finally:
        for process in both:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_who_ends_well_first_stops_nobody(tmp_path: Path) -> None:
    """Both pods of a training that comes to its end say 0, whoever is first, and its manifest stands."""
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path, epochs=2)

    assert [process.wait(180) for process in pods(job, tmp_path)] == [0, 0], (tmp_path / "log").read_text()[-3000:]
    assert standing(store, job.kind, job.key).manifest


@pytest.mark.slow
@pytest.mark.parametrize("dies", [1, 0])
def test_a_survivor_notices_by_itself_and_ends(dies: int, tmp_path: Path) -> None:
    """One pod is killed -9 with all that it started; the other, told by nobody, says that a peer was lost, or that it stopped in time
    together with what the dead one left, and is gone."""
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path)
    with two_pods(job, tmp_path) as both:
        eventually(lambda: [stat for stat in store.list(job.id.checkpoints) if "part-1" in stat.key], within_s=180)
        below = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(p, tmp_path)]
        assert len(below) >= 4  # torchrun and worker of each
        both[dies].kill()
        code = both[1 - dies].wait(120)

    assert code in {75, 76}, (tmp_path / "log").read_text()[-3000:]
    outcome = json.loads(store.read(job.id.outcome(str(1 - dies))))
    assert (outcome["code"], outcome["cause"]) == (code, "stopped" if code == 75 else "peer_lost")
    eventually(lambda: all(gone(pid) for pid in below))


@pytest.mark.slow
@pytest.mark.parametrize("dies", [1, 0])
def test_a_survivor_whose_training_notices_nothing_is_ended(dies: int, tmp_path: Path) -> None:
    """Its processes stand still, as in a collective that waits for ever: its supervisor sees the connection to the dead pod break."""
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path)
    with two_pods(job, tmp_path) as both:
        eventually(lambda: [stat for stat in store.list(job.id.checkpoints) if "part-1" in stat.key], within_s=180)
        below = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(p, tmp_path)]
        for pid in below:
            os.kill(pid, signal.SIGSTOP)
        both[dies].kill()
        code = both[1 - dies].wait(60)

    assert code == 76, (tmp_path / "log").read_text()[-3000:]
    assert f"pod {dies} is gone without a word" in json.loads(store.read(job.id.outcome(str(1 - dies))))["message"]
    eventually(lambda: all(gone(pid) for pid in below))


@pytest.mark.slow
def test_a_training_whose_process_is_killed_goes_on(tmp_path: Path) -> None:
    """Killed -9 in mid-training, as by a machine that ran out of memory: without a person, and without `retries`, the next attempt goes
    on from the last state and ends with the very bytes of an undisturbed training."""
    held = tmp_path / "held"
    (tmp_path / "net.py").write_text(PAUSING.replace("HELD", str(held)))
    train = {**SETTINGS, "epochs": 8, "model": {"file": "net.py", "factory": "build", "trust": True}}
    (tmp_path / "p.yaml").write_text(json.dumps({"pipeline": "p", "stages": {"data": {}, "train": {"settings": train, "needs": ["data"]}}}))
    line = [sys.executable, "-m", "lading", "run", "p.yaml", "--json", "--store"]
    calm = subprocess.run([*line, "calm"], cwd=tmp_path, capture_output=True, check=True, timeout=300)
    assert json.loads(calm.stdout)["stages"]["train"]["attempt"] == 1

    work = tmp_path / "work"
    work.mkdir()
    held.touch()
    process = subprocess.Popen([*line, "killed"], cwd=tmp_path, stdout=subprocess.PIPE, env=os.environ | {"LADING_WORK": str(work)})
    store = open_store(str(tmp_path / "killed"))
    try:
        eventually(lambda: [stat for stat in store.list("attempts/train/") if "part-0" in stat.key], within_s=180)
        os.kill(_deepest(work), signal.SIGKILL)
    finally:
        held.unlink()
    out, _ = process.communicate(timeout=300)

    train_record = json.loads(out)["stages"]["train"]
    assert (train_record["state"], train_record["attempt"]) == ("succeeded", 2)
    verdict = json.loads(next(tmp_path.glob("killed/attempts/train/*/1/verdict.json")).read_bytes())
    assert (verdict["cause"], verdict["message"].splitlines()[0]) == (
        "killed",
        "the stage's process was ended by SIGKILL; perhaps memory ran out on the machine",
    )
    weights = [next(tmp_path.glob(f"{name}/attempts/train/*/{n}/artifacts/model.safetensors")) for name, n in (("calm", 1), ("killed", 2))]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    history = json.loads((weights[1].parent / "history.json").read_bytes())
    assert history["resumed_from"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("dies", [1, 0])
def test_a_killed_process_speaks_before_its_survivors_complaint(dies: int, tmp_path: Path) -> None:
    """One pod's training is killed -9 beneath its torchrun; the other notices at once and is gone first. The verdict says which was
    killed, and by what."""
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path)
    with two_pods(job, tmp_path) as both:
        eventually(lambda: [stat for stat in store.list(job.id.checkpoints) if "part-1" in stat.key], within_s=180)
        (victim,) = (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _works_in(p, tmp_path) and _has_rank(p, dies))
        os.kill(victim, signal.SIGKILL)
        codes = [process.wait(60) for process in both]

    verdict = judge(attempts(store, job.kind, job.key)[job.attempt].outcomes, pods=2, run="r", nonce="n")
    assert codes[dies] == 70, (tmp_path / "log").read_text()[-3000:]
    assert (verdict.code, verdict.cause, verdict.pod) == (70, "killed", str(dies))
    assert f"the stage's process of rank {dies} was ended by SIGKILL" in verdict.message


@pytest.mark.slow
def test_a_users_exception_speaks_before_its_survivors_complaint(tmp_path: Path) -> None:
    """One pod raises in the user's model, the other loses its peer: the verdict has the user's message, place and traceback."""
    (tmp_path / "net.py").write_text(FAILING)
    store = open_store(str(tmp_path / "store"))
    job = training(store, tmp_path, model={"file": "net.py", "factory": "build", "trust": True})
    codes = [process.wait(180) for process in pods(job, tmp_path)]

    seen = attempts(store, job.kind, job.key)[job.attempt].outcomes
    verdict = judge(seen, pods=2, run="r", nonce="n")
    assert codes == [76, 70], (tmp_path / "log").read_text()[-3000:]
    assert (verdict.code, verdict.cause, verdict.pod) == (70, "failed", "1")
    assert "no such class: 11" in verdict.message
    assert "net.py:14 in forward" in verdict.where
    assert "no such class: 11" in verdict.traceback
    assert "Connection closed" not in verdict.traceback


def _works_in(process: Path, folder: Path) -> bool:
    try:
        line = (process / "cmdline").read_bytes().decode()
    except OSError:
        return False
    return f"{folder}/lading-train-" in line


def _has_rank(process: Path, rank: int) -> bool:
    """Whether it is torchrun's process of that rank; torchrun itself has none."""
    return f"RANK={rank}".encode() in (process / "environ").read_bytes().split(b"\0")


def _deepest(folder: Path) -> int:
    """The process that works below a folder and has started none itself: the stage's own."""
    works, parents = set(), set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve().is_relative_to(folder):
                works.add(int(process.name))
                parents.add(int((process / "stat").read_text().rpartition(")")[2].split()[1]))
    (one,) = works - parents
    return one


TAKEN_APART = """
import atexit, sys
from collections.abc import Iterator
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
