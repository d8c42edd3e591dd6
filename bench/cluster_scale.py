"""A thousand stages in flight on nodes that run nothing: what a launcher takes of memory and asks of the API server, also while it waits.

The launcher, the Jobs and their pods are real; what stages would have written (heartbeats, outcomes, manifests) is written here.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.cluster_place import Place, missing, place
from bench.lading_cli import compiled, empty_stages, folder, there
from bench.row import Row

STAGES = int(os.environ.get("BENCH_STAGES", "1000"))
HOLD_S = 60.0
"""How long all of them are in flight, and nothing happens but heartbeats."""
BEAT_S = 10.0
MEMORY_MB = 150.0
CALLS = 1.1
"""To start a stage: its Job's creation, and a little for lists and watches of all."""
HELD_CALLS = 10.0
"""In the whole time of holding, for any number of stages: a watch that is renewed."""
START_S = 0.25
"""A stage, until it is in flight."""
SELECTOR = {"type": "kwok"}
TAINT = "kwok.x-k8s.io/node"
STAYS = {"fake/hang": "1", "pod-complete.stage.kwok.x-k8s.io/delay": "2h"}
"""Annotations by which nodes that run nothing let a pod run on."""


def run() -> list[Row]:
    """Figures of one launcher, from its start to the end of its run."""
    names = {
        "memory": (f"a launcher of {STAGES} stages in flight, peak memory", MEMORY_MB, "MB"),
        "start_calls": ("calls to the API server to start, a stage", CALLS, "calls"),
        "held_calls": (f"calls to the API server in {HOLD_S:g} s of waiting, all stages", HELD_CALLS, "calls"),
        "start": ("until it is in flight, a stage", START_S, "s"),
    }
    problem = there("lading.launch.run", "lading.cli.cmd_run", "kubernetes") or missing() or _no_nodes()
    if problem:
        return [Row(what, bound, unit=unit, left_out=problem) for what, bound, unit in names.values()]
    with folder() as where, place() as at:
        figures, notes = _measure(where, at)
    return [Row(what, bound, (figures[name],), unit=unit, notes=notes) for name, (what, bound, unit) in names.items()]


def _no_nodes() -> str:
    from kubernetes import client, config

    nodes = client.CoreV1Api(config.new_client_from_config()).list_node(label_selector="type=kwok").items
    fake = [one for one in nodes if any(taint.key == TAINT for taint in one.spec.taints or ())]
    return "" if fake else f"no nodes that run nothing here: labelled type=kwok, with the taint {TAINT}"


def _measure(where: Path, at: Place) -> tuple[dict[str, float], dict[str, Any]]:
    file = empty_stages(where, STAGES, chain=False)
    data = yaml.safe_load(file.read_text())
    tolerations = [{"key": TAINT, "operator": "Exists"}]
    data["defaults"] = {"cpu": 0.1, "memory": "16Mi"}
    data["kubernetes"] = {"namespace": at.namespace, "node_selector": SELECTOR, "tolerations": tolerations, "annotations": STAYS}
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    counts = where / "counts.json"
    line = [sys.executable, "-m", "bench.counted", str(counts), "run", str(file), "--backend", "kubernetes", "--store", at.uri, "--json"]
    log = where / "launcher.log"
    with log.open("wb") as out:
        began = time.monotonic()
        launcher = subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT, env={**compiled(), "LADING_CACHE": str(where / "cache")})

    def alive() -> None:
        if launcher.poll() is not None:
            raise RuntimeError(f"the launcher ended with {launcher.returncode}:\n{log.read_text()[-4000:]}")

    def asked() -> dict[str, int]:
        return dict(json.loads(counts.read_text())["calls"])

    try:
        with _hearts(at) as attempts:
            _until(lambda: len(_running(at)) == STAGES and len(attempts()) == STAGES, alive, within_s=STAGES)
            started, to_start = time.monotonic() - began, asked()
            time.sleep(HOLD_S)
            alive()
            held = asked()
            _finish(at, attempts())
        committed = time.monotonic()
        _, status, usage = os.wait4(launcher.pid, 0)
        ended = time.monotonic()
        launcher.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if launcher.returncode is None:
            launcher.send_signal(signal.SIGKILL)
            launcher.wait()
    if launcher.returncode:
        raise RuntimeError(f"the launcher ended with {launcher.returncode}:\n{log.read_text()[-4000:]}")
    waited = {name: number - to_start.get(name, 0) for name, number in held.items()}
    figures = {
        "memory": json.loads(counts.read_text())["peak_mb"],
        "start_calls": _api(to_start) / STAGES,
        "held_calls": float(_api(waited)),
        "start": started / STAGES,
    }
    notes = {
        "stages": STAGES,
        "calls": asked(),
        "calls_to_start": to_start,
        "calls_while_waiting": waited,
        "seconds": {"until_all_in_flight": started, "held": HOLD_S, "from_last_manifest_to_end": ended - committed, "all": ended - began},
        "launcher_cpu_s": usage.ru_utime + usage.ru_stime,
    }
    return figures, notes


def _api(counts: dict[str, int]) -> int:
    return sum(number for name, number in counts.items() if not name.startswith("store "))


def _until(look: Callable[[], bool], alive: Callable[[], None], *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not look():
        alive()
        if time.monotonic() > until:
            raise RuntimeError(f"not all {STAGES} stages were in flight after {within_s:g} s")
        time.sleep(2)


def _running(at: Place) -> list[Any]:
    """The names of pods that run, asked for in the cheapest way."""
    answer = at.core.list_namespaced_pod(at.namespace, field_selector="status.phase=Running", _preload_content=False)
    return [one["metadata"]["name"] for one in json.loads(answer.data)["items"]]


@contextmanager
def _hearts(at: Place) -> Iterator[Callable[[], dict[str, Any]]]:
    """A heartbeat for every attempt that is claimed, as often as a stage would write one; gives what was claimed so far."""
    from lading.attempt.records import Claim, Progress

    claims: dict[str, Claim] = {}
    over = threading.Event()

    def beat() -> None:
        number = 0
        with ThreadPoolExecutor(4) as pool:
            while not over.is_set():
                began, number = time.monotonic(), number + 1
                for stat in at.store.list("attempts/"):
                    if stat.key.endswith("/claim.json") and stat.key not in claims:
                        claims[stat.key] = Claim.model_validate_json(at.store.read(stat.key))
                data = Progress(beat=number, state="running", percent=float(number % 100)).to_bytes()
                list(pool.map(lambda claim: at.store.write(_id(claim).progress(), data), list(claims.values())))
                over.wait(max(0.0, BEAT_S - (time.monotonic() - began)))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield lambda: dict(claims)
    finally:
        over.set()
        thread.join()


def _id(claim: Any) -> Any:
    from lading.names import AttemptId

    return AttemptId(claim.kind, claim.key, claim.n)


def _finish(at: Place, claims: dict[str, Any]) -> None:
    """What every stage would leave: an artifact, a manifest, an outcome."""
    from lading.attempt.records import Outcome
    from lading.canonical import sha256_of
    from lading.codes import Code
    from lading.manifest.handoff import commit
    from lading.manifest.model import Artifact, Manifest, Provenance, result_of

    def one(claim: Any) -> None:
        artifacts = {"out": Artifact(path="out", size=1, sha256=sha256_of(claim.key))}
        at.store.write(_id(claim).artifacts + "out", b"x")
        made = {"kind": claim.kind, "key": claim.key, "attempt": claim.n, "nonce": claim.nonce}
        commit(at.store, Manifest(**made, artifacts=artifacts, result=result_of(artifacts), provenance=Provenance(run=claim.run)), after=0)
        at.store.write(_id(claim).outcome(), Outcome(code=Code.DONE).to_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, claims.values()))
