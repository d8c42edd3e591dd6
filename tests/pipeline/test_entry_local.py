"""The local backend in real processes: forked supervisors, and what becomes of them when launchers and servers die."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entry_jobs import eventually, gone, logs, manifest, outcome, script
from lading.attempt.records import Claim, Holder
from lading.backends.identity import host
from lading.backends.local import LocalBackend
from lading.plan.job import JobSpec


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBackend]:
    """A backend with fast hearts; its servers end with the test."""
    monkeypatch.setenv("LADING_HEARTBEAT_S", "0.2")
    monkeypatch.setenv("LADING_WORK", str(tmp_path / "work"))
    made = LocalBackend(str(tmp_path / "store"), cpus=2)
    yield made
    made.close()


def claim_of(job: JobSpec, holder: Holder) -> Claim:
    """What the launcher writes before it submits."""
    return Claim(kind=job.kind, key=job.key, n=job.attempt, nonce=job.nonce, run="r", stage="s", holder=holder)


def begin(backend: LocalBackend, job: JobSpec) -> Claim:
    """Holder, claim, submit: as a launcher does."""
    claim = claim_of(job, backend.holder(job))
    backend.submit(job)
    return claim


def finish(backend: LocalBackend, claim: Claim, *, within_s: float = 30) -> None:
    """Waits as a launcher does."""
    end = time.monotonic() + within_s
    while backend.look(claim).alive:
        assert time.monotonic() < end
        backend.wait(5)


def test_a_stage_runs_in_a_forked_supervisor_whose_pid_the_claim_names(backend: LocalBackend, tmp_path: Path) -> None:
    """The holder's process is the one that then runs the attempt; after its end it is seen as gone, and its working folder too."""
    job = script(tmp_path / "store", "import os; print('said'); open(os.environ['LADING_OUTPUT'] + '/a', 'w').write('x')")
    claim = begin(backend, job)
    assert claim.holder.host == host()
    assert backend.look(claim).alive is True
    backend.submit(job)  # adopts
    finish(backend, claim)
    assert outcome(job).code == 0
    assert manifest(job).artifacts["a"].size == 1
    assert logs(job) == b"said\n"
    assert backend.look(claim).alive is False
    assert not list((tmp_path / "work").glob("*/*.*"))
    backend.submit(job)
    assert backend.look(claim).alive is False


def test_wait_returns_when_a_supervisor_ends_and_not_before(backend: LocalBackend, tmp_path: Path) -> None:
    """wait() sleeps while nothing ends, and wakes within moments of an end."""
    job = script(tmp_path / "store", "import time; time.sleep(0.7)")
    claim = begin(backend, job)
    began = time.monotonic()
    backend.wait(0.1)
    assert time.monotonic() - began > 0.09
    assert backend.look(claim).alive
    backend.wait(20)
    assert not backend.look(claim).alive


def test_stages_wait_for_cores(tmp_path: Path, backend: LocalBackend) -> None:
    """With two cores, three stages of one core each never work all at a time, and all get their turn."""
    code = "import time, os; open({0!r} + str(os.getpid()), 'w'); print(time.time()); time.sleep(0.4); print(time.time())"
    jobs = [script(tmp_path / "store", code.format(str(tmp_path / "x")) + f"\n#{i}") for i in range(4)]
    claims = [begin(backend, job) for job in jobs]
    assert "waits for cores" in backend.look(claims[3]).note
    for claim in claims:
        finish(backend, claim)
    spans = [tuple(map(float, logs(job).split())) for job in jobs]
    assert all(sum(begin <= moment < end for begin, end in spans) <= 2 for moment, _ in spans)


def test_stop_asks_then_ends(backend: LocalBackend, tmp_path: Path) -> None:
    """stop() is SIGTERM to the supervisor: the attempt says 75; also one that still waits for its job or for cores."""
    job = script(tmp_path / "store", "import time; print(1, flush=True); time.sleep(60)", resources={"cpu": 2})
    waiting = script(tmp_path / "store", "import time; time.sleep(61)", resources={"cpu": 2})
    claims = [begin(backend, job), begin(backend, waiting)]
    eventually((tmp_path / "store" / job.id.log()).exists)
    for claim in reversed(claims):
        backend.stop(claim, grace_s=10)
    for claim in claims:
        finish(backend, claim, within_s=10)
    assert outcome(job).code == 75
    assert outcome(waiting).code == 75
    assert "before the stage began" in outcome(waiting).message


def test_kill_9_of_a_supervisor_leaves_no_process(backend: LocalBackend, tmp_path: Path) -> None:
    """The stage of a killed supervisor dies with it, grandchildren too; the attempt is seen as gone, and its folder is swept later."""
    code = (
        f"import os, subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        f"open({str(tmp_path / 'part')!r}, 'w').write(f'{{os.getpid()}} {{p.pid}} {{os.getppid()}}')\n"
        f"os.rename({str(tmp_path / 'part')!r}, {str(tmp_path / 'pids')!r}); time.sleep(60)"
    )
    claim = begin(backend, script(tmp_path / "store", code))
    eventually((tmp_path / "pids").exists)
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    os.kill(claim.holder.pid, signal.SIGKILL)
    backend.wait(10)
    assert backend.look(claim).alive is False
    eventually(lambda: all(map(gone, pids)), within_s=5)


def test_the_fork_server_may_die(backend: LocalBackend, tmp_path: Path) -> None:
    """When the fork server is killed, the attempt under way and the next ones go on."""
    job = script(tmp_path / "store", "import time; time.sleep(0.5)")
    claim = begin(backend, job)
    assert backend._light is not None
    backend._light.process.kill()
    backend._light.process.wait()
    second = script(tmp_path / "store", "pass")
    claims = [claim, begin(backend, second)]
    for one in claims:
        finish(backend, one)
    assert outcome(job).code == outcome(second).code == 0


def test_no_fork_server_at_all(backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no fork server can be had, a supervisor is a new interpreter, and all else is the same."""
    monkeypatch.setattr(LocalBackend, "_forked", lambda _self, _kind: (_ for _ in ()).throw(OSError("none")))
    job = script(tmp_path / "store", "pass")
    finish(backend, begin(backend, job))
    assert outcome(job).code == 0


def test_a_notebook_can_use_it(backend: LocalBackend, tmp_path: Path) -> None:
    """Inside a running event loop it works as elsewhere."""

    async def cell() -> None:
        finish(backend, begin(backend, job))

    job = script(tmp_path / "store", "pass")
    asyncio.run(cell())
    assert outcome(job).code == 0


LAUNCHER = """
import sys, time, pathlib
from lading.backends.local import LocalBackend
from lading.plan.job import JobSpec
job = JobSpec.model_validate_json(pathlib.Path(sys.argv[1]).read_bytes())
backend = LocalBackend(job.store)
holder = backend.holder(job)
if sys.argv[2] == "submit":
    backend.submit(job)
print(holder.model_dump_json(), flush=True)
time.sleep(60)
"""


def launcher(job: JobSpec, folder: Path, act: str) -> tuple[subprocess.Popen[str], Claim]:
    """A launcher in a process of its own, without a __main__ guard."""
    (folder / "job").write_bytes(job.to_bytes())
    (folder / "launcher.py").write_text(LAUNCHER)
    process = subprocess.Popen([sys.executable, str(folder / "launcher.py"), str(folder / "job"), act], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, claim_of(job, Holder.model_validate_json(process.stdout.readline()))


def test_work_goes_on_when_its_launcher_is_killed(backend: LocalBackend, tmp_path: Path) -> None:
    """A supervisor at work survives kill -9 of its launcher; the next launcher sees it by its pid, and hears its end."""
    job = script(tmp_path / "store", "import time; time.sleep(1.5); print('done')")
    process, claim = launcher(job, tmp_path, "submit")
    process.kill()
    process.communicate()
    time.sleep(0.3)
    assert backend.look(claim).alive is True
    began = time.monotonic()
    backend.wait(20)
    assert time.monotonic() - began < 10
    assert backend.look(claim).alive is False
    assert outcome(job).code == 0


def test_a_supervisor_without_a_job_ends_with_its_launcher(backend: LocalBackend, tmp_path: Path) -> None:
    """A launcher killed between claim and start leaves no process: the claim is seen to be dead."""
    job = script(tmp_path / "store", "pass")
    process, claim = launcher(job, tmp_path, "hold")
    assert backend.look(claim).alive is True
    process.kill()
    process.communicate()
    eventually(lambda: backend.look(claim).alive is False, within_s=5)


def test_claims_of_other_machines_can_not_be_told(backend: LocalBackend, tmp_path: Path) -> None:
    """Another host, another boot, another backend: None; another process under the same pid: gone."""
    job = script(tmp_path / "store", "pass")
    mine = Holder(backend="local", host=host(), pid=os.getpid(), pid_started="1")
    assert backend.look(claim_of(job, mine)).alive is False
    assert backend.look(claim_of(job, mine.but(host="other/boot/"))).alive is None
    assert backend.look(claim_of(job, Holder(backend="kubernetes"))).alive is None
    backend.stop(claim_of(job, mine), grace_s=1)  # not this process
    backend.stop(claim_of(job, Holder(backend="kubernetes")), grace_s=1)


def test_a_claim_that_was_lost_gives_its_process_to_the_next(backend: LocalBackend, tmp_path: Path) -> None:
    """holder() of the next attempt at a key reuses the supervisor that waited for the last: none is leaked."""
    job = script(tmp_path / "store", "pass")
    first = backend.holder(job)
    assert backend.holder(job.but(attempt=2)).pid == first.pid
    other = script(tmp_path / "store", "1")
    assert backend.holder(other).pid != first.pid


def test_no_secret_is_in_a_fork_server(backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage's process could read of the processes it comes from holds no secret of the launcher's environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7MDENG")
    code = "import os; p = os.getppid(); print(open(f'/proc/{p}/environ').read(), dict(os.environ))"
    job = script(tmp_path / "store", code)
    finish(backend, begin(backend, job))
    assert outcome(job).code == 0
    assert b"AWS_SECRET" not in logs(job)
    assert backend._light is not None
    assert "AWS_SECRET" not in Path(f"/proc/{backend._light.process.pid}/environ").read_text()
