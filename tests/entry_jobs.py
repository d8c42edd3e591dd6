"""Jobs, results and stage entries in real processes, for the tests of the stage entry."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lading.attempt.records import Outcome
from lading.canonical import sha256_of
from lading.config.resources import Resources
from lading.manifest.handoff import commit, standing
from lading.manifest.model import Artifact, InputRef, Manifest, result_of
from lading.names import AttemptId
from lading.plan.fingerprint import fingerprint
from lading.plan.job import JobSpec
from lading.store.base import Store
from lading.store.opening import open_store


def script(store: Path, code: str, *, inputs: Mapping[str, InputRef] | None = None, attempt: int = 1, **changes: Any) -> JobSpec:
    """A job of a script stage that runs a piece of Python; `resources=`, `settings=` and other fields may be given."""
    settings = {"command": ["python", "-c", code], "files": [], "env": {}} | changes.pop("settings", {})
    resources = Resources(**changes.pop("resources", {}))
    key = sha256_of([settings, {role: ref.result for role, ref in (inputs or {}).items()}])
    fields = {"run": "r", "stage": "s", "kind": "script", "key": key, "attempt": attempt, "nonce": os.urandom(8).hex(), "store": str(store)}
    fields |= {"settings": settings, "inputs": dict(inputs or {}), "fingerprint": fingerprint("script"), "resources": resources}
    return JobSpec.model_validate(fields | changes)


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment, with fast heartbeats and no output of ours on the terminal."""
    return os.environ | {"LADING_HEARTBEAT_S": "0.2"} | more


def start(job: JobSpec, **env: str) -> subprocess.Popen[bytes]:
    """`python -m lading.stages -` on a job."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lading.stages", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**env),
    )
    assert process.stdin is not None
    process.stdin.write(job.to_bytes())
    process.stdin.close()
    process.stdin = None
    return process


def run(job: JobSpec, **env: str) -> tuple[int, str, str]:
    """Code, console output and log of a whole stage entry."""
    process = start(job, **env)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def outcome(job: JobSpec, pod: str = "0") -> Outcome:
    """What the attempt said at its end."""
    return Outcome.model_validate(json.loads(open_store(job.store).read(job.id.outcome(pod))))


def manifest(job: JobSpec) -> Manifest:
    """The manifest that stands for the job's key."""
    found = standing(open_store(job.store), job.kind, job.key).manifest
    assert found is not None
    return found


def logs(job: JobSpec, pod: str = "0") -> bytes:
    """What the attempt printed, from the store."""
    store = open_store(job.store)
    return b"".join(store.read(stat.key) for stat in store.list(job.id.log(pod)))


def result(store: Store, folder: Path, files: Mapping[str, bytes], *, kind: str = "script", name: str = "a") -> InputRef:
    """A committed result with these artifacts."""
    key = sha256_of([kind, name])
    id_ = AttemptId(kind, key, 1)
    artifacts = {}
    for path, data in files.items():
        place = folder / f"{name}-{path.replace('/', '-')}"
        place.write_bytes(data)
        digest = store.upload(id_.artifacts + path, place)
        artifacts[path] = Artifact(path=path, size=digest.size, sha256=digest.sha256)
    made = Manifest.model_validate(
        {
            "kind": kind,
            "key": key,
            "attempt": 1,
            "nonce": name,
            "artifacts": artifacts,
            "result": result_of(artifacts),
            "measurements": {"m": 1.5},
        }
    )
    n, _ = commit(store, made, after=0)
    return made.ref(n)


def eventually(true: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Waits until something holds."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
