"""The supervisor called as a function, over stores that misbehave and machines that run out of things."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entry_jobs import logs, manifest, outcome, script
from lading.attempt.records import Cause
from lading.codes import Code
from lading.errors import StoreError, StoreFullError
from lading.manifest.handoff import commit
from lading.manifest.model import Manifest, result_of
from lading.plan.job import JobSpec
from lading.stages import machine, supervisor
from lading.stages.asked import Asked
from lading.stages.child import Child
from lading.stages.secrets import Masker
from lading.stages.supervisor import Surroundings, supervise
from lading.stages.tee import Tee
from lading.store.base import Digest
from lading.store.opening import open_store


class Faulty:
    """A store of which one method fails for some keys."""

    def __init__(self, uri: str, method: str, part: str, error: Exception) -> None:
        self._real, self._method, self._part, self._error = open_store(uri), method, part, error

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._method:
            return real

        def failing(key: str, *args: Any, **kwargs: Any) -> Any:
            if self._part in key:
                raise self._error
            return real(key, *args, **kwargs)

        return failing


def attempt(
    job: JobSpec, work: Path, store: Any = None, permit: Callable[[], object] = lambda: None, beat: str = "0.1", patience_s: float = 0.0
) -> Code:
    """One attempt in this process."""
    around = Surroundings(environ={**os.environ, "LADING_HEARTBEAT_S": beat}, console=None, permit=permit, patience_s=patience_s)
    return supervise(job, store=store or open_store(job.store), work=work, around=around)


@pytest.mark.parametrize(
    ("method", "part", "error", "cause"),
    [
        ("upload", "artifacts/", StoreError("out of reach"), Cause.STORE),
        ("upload", "artifacts/", StoreFullError("no space is left in the store"), Cause.NO_SPACE),
        ("write", "manifests/", StoreError("out of reach"), Cause.STORE),
        ("list", "manifests/", StoreError("out of reach"), Cause.STORE),
    ],
)
def test_a_store_out_of_reach_is_69(tmp_path: Path, method: str, part: str, error: Exception, cause: Cause) -> None:
    """Wherever the store fails, the attempt says 69 with the store's own sentence, and nothing is committed."""
    job = script(tmp_path / "store", "import os; open(os.environ['LADING_OUTPUT'] + '/a', 'w')")
    assert attempt(job, tmp_path / "work", Faulty(job.store, method, part, error)) == 69
    assert outcome(job).cause is cause
    assert str(error) in outcome(job).message
    assert not list(open_store(job.store).list("manifests/"))


@pytest.mark.parametrize(("method", "part"), [("upload", "artifacts/"), ("write", "manifests/"), ("list", "manifests/")])
def test_work_that_is_done_waits_for_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, part: str) -> None:
    """A store that is away when the stage has done its work costs time and not the work: it is handed on once, when the store is back."""
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.01)
    job = script(tmp_path / "store", "import os; open(os.environ['LADING_OUTPUT'] + '/a', 'w')")
    store, failures = Faulty(job.store, method, part, StoreError("out of reach")), iter(range(1000))
    real = getattr(open_store(job.store), method)
    first = 1 if method == "list" else 0  # what stands is asked before the work begins, too

    def failing(key: str, *args: Any, **kwargs: Any) -> Any:
        if part in key and first <= next(failures) < 20:
            raise StoreError("out of reach")
        return real(key, *args, **kwargs)

    store.__dict__[method] = failing
    assert attempt(job, tmp_path / "work", store, patience_s=60) == 0
    assert next(failures) >= 20
    assert [stat.key.rpartition("/")[2] for stat in open_store(job.store).list("manifests/")] == ["1.json"]


def test_an_outcome_that_can_not_be_stored_changes_no_code(tmp_path: Path) -> None:
    """When even the outcome can't be written, the exit code still says what happened."""
    job = script(tmp_path / "store", "raise SystemExit(3)")
    assert attempt(job, tmp_path / "work", Faulty(job.store, "write", "outcome", StoreError("x"))) == 70


def test_logs_that_can_not_be_stored_fail_no_stage(tmp_path: Path) -> None:
    """A stage whose log is lost still hands on its result."""
    job = script(tmp_path / "store", "print('x')")
    assert attempt(job, tmp_path / "work", Faulty(job.store, "write", "logs/", StoreError("x"))) == 0


def test_killed_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that SIGKILL ended while the cgroup's counter moved was out of memory."""
    counts = iter([3, 4])
    monkeypatch.setattr(machine, "oom_kills", lambda: next(counts))
    job = script(tmp_path / "store", "import os; os.kill(os.getppid(), 9)")
    assert attempt(job, tmp_path / "work") == 70
    assert outcome(job).cause is Cause.OUT_OF_MEMORY


def test_the_first_manifest_stands(tmp_path: Path) -> None:
    """An attempt that comes second with its manifest ends with 0, and the first one's stands."""
    job = script(tmp_path / "store", "pass")
    first = Manifest.model_validate({"kind": job.kind, "key": job.key, "attempt": 7, "nonce": "first", "result": result_of({})})

    def overtaken() -> None:
        time.sleep(0.3)  # the heart has looked
        commit(open_store(job.store), first, after=0)

    assert attempt(job, tmp_path / "work", permit=overtaken, beat="10") == 0
    assert "another attempt's manifest stands" in outcome(job).message
    assert manifest(job).nonce == "first"


def test_an_attempt_overtaken_while_it_works_stops_and_is_done(tmp_path: Path) -> None:
    """When another attempt's manifest appears, the stage is stopped within a heartbeat, and the code is 0."""
    job = script(tmp_path / "store", "import time; time.sleep(60)")
    first = Manifest.model_validate({"kind": job.kind, "key": job.key, "attempt": 7, "nonce": "first", "result": result_of({})})
    timer = threading.Timer(1.0, commit, (open_store(job.store), first), {"after": 0})
    timer.start()
    began = time.monotonic()
    assert attempt(job, tmp_path / "work") == 0
    assert time.monotonic() - began < 20
    assert "another attempt was faster" in outcome(job).message


def test_several_processes_of_one_training_are_started_by_torchrun(tmp_path: Path) -> None:
    """The command of two devices is torchrun with two processes, of one device there is none."""
    from lading.config.resources import Resources
    from lading.stages.topology import command

    job = script(tmp_path, "pass").but(kind="train")
    assert command(job, tmp_path) is None
    two = command(job.but(resources=Resources(devices=2, grace_s=10)), tmp_path)
    assert two is not None
    assert {"lading.stages.agent", "--standalone", "--nproc-per-node=2", "--max-restarts=0"} <= set(two)
    many = command(job.but(resources=Resources(nodes=3)), tmp_path, pod=2, master="rank0.lading:29500")
    assert many is not None
    assert {"--nnodes=3", "--node-rank=2", "--master-addr=rank0.lading", "--master-port=29500"} <= set(many)


@pytest.mark.parametrize(("sleeps_s", "status"), [(0.3, 3), (60, -signal.SIGTERM)])
def test_a_child_whose_peer_is_gone_may_end_by_itself_first(sleeps_s: float, status: int, tmp_path: Path) -> None:
    """What it is about to say is heard; only one that does not end in a moment is told to."""
    asked = Asked()
    asked.lost("pod 1 is gone without a word")
    child = Child(None, "train")
    child.start([sys.executable, "-c", f"import time; time.sleep({sleeps_s}); raise SystemExit(3)"], env=os.environ, cwd=tmp_path)
    try:
        assert child.wait(asked, grace_s=30, deadline_s=None).status == status
    finally:
        child.close()
        asked.close()


def test_tee_stores_numbered_chunks_while_the_stage_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was printed is stored soon, also when nothing follows; chunks are numbered from 0 and never rewritten."""
    monkeypatch.setattr("lading.stages.tee.FIRST_FLUSH_S", 0.1)
    source, sink = os.pipe()
    chunks: list[tuple[int, bytes]] = []
    with Tee(source, lambda number, data: chunks.append((number, data)), Masker([]), console=None):
        os.write(sink, b"one\n")
        time.sleep(0.5)
        assert chunks == [(0, b"one\n")]
        os.write(sink, b"two\n")
        os.close(sink)
    assert chunks == [(0, b"one\n"), (1, b"two\n")]


def test_the_end_of_a_log_is_stored_after_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage printed while the store was away, and nothing after it, is stored before the attempt says how it ended."""
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.01)
    job = script(tmp_path / "store", "print('plums')")
    store, failures = Faulty(job.store, "write", "", StoreError("out of reach")), iter(range(1000))
    real = open_store(job.store).write

    def failing(key: str, *args: Any, **kwargs: Any) -> Any:
        if ("logs/" in key or "manifests/" in key) and next(failures) < 20:
            raise StoreError("out of reach")
        return real(key, *args, **kwargs)

    store.__dict__["write"] = failing
    assert attempt(job, tmp_path / "work", store, patience_s=60) == 0
    found = open_store(job.store)
    assert b"".join(found.read(stat.key) for stat in found.list(job.id.log())) == b"plums\n"


def test_big_logs_are_cut_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pod may leave in the store is bounded, and the log says where it was cut."""
    monkeypatch.setattr("lading.stages.tee.MOST", 1 << 20)
    source, sink = os.pipe()
    chunks: list[bytes] = []
    with Tee(source, lambda _number, data: chunks.append(data), Masker([]), console=None):
        for _ in range(40):
            os.write(sink, b"x" * (1 << 16))
        os.close(sink)
    total = b"".join(chunks)
    assert len(total) < 2 << 20
    assert b"the log is cut here" in total


def test_output_keeps_its_order_and_digest(tmp_path: Path) -> None:
    """Many artifacts are uploaded at a time, and each has its own size and digest."""
    code = "import os\nfor i in range(20): open(os.environ['LADING_OUTPUT'] + f'/f{i}', 'w').write('x' * i)"
    job = script(tmp_path / "store", code)
    assert attempt(job, tmp_path / "work") == 0
    assert {name: artifact.size for name, artifact in manifest(job).artifacts.items()} == {f"f{i}": i for i in range(20)}
    assert Digest(0, manifest(job).artifacts["f0"].sha256).sha256.startswith("e3b0c442")
    assert logs(job) == b""
