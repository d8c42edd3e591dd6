"""A thousand stages in flight on nodes that run nothing: what a launcher takes of memory and asks of the API server, also while it waits,
and also when it was killed and takes up what runs.

The launchers, the Jobs and their pods are real; what stages would have written (heartbeats, outcomes, manifests) is written here.
"""

import json
import os
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
WAIT_S = 300.0 + 3 * STAGES
"""For all to be in flight: longer than the bound by far, so that a busy machine still gives its memory and its calls."""
HOLD_S = 60.0
"""How long all of them are in flight, and nothing happens but heartbeats."""
BEAT_S = 10.0
MEMORY_MB = 150.0
CALLS = 1.1
"""To start a stage: its Job's creation, and a little for lists and watches of all."""
TAKE_UP_CALLS = 6.0
"""Lists of Jobs and pods come in pages."""
HELD_CALLS = 10.0
"""In the whole time of holding, for any number of stages: a watch that is renewed."""
START_S = 0.25
"""A stage, until it is in flight."""
SELECTOR = {"type": "kwok"}
TAINT = "kwok.x-k8s.io/node"
STAYS = {"fake/hang": "1", "pod-complete.stage.kwok.x-k8s.io/delay": "2h"}
"""Annotations by which nodes that run nothing let a pod run on."""


RUN = "20260101T000000Z-bench1"


def run() -> list[Row]:
    """Figures of two launchers of one run: the first starts everything and is killed, the second brings it to its end."""
    names = {
        "memory": (f"a launcher of {STAGES} stages in flight, peak memory", MEMORY_MB, "MB"),
        "again_memory": ("the next one, which takes them up, peak memory", MEMORY_MB, "MB"),
        "start_calls": ("calls to the API server to start, a stage", CALLS, "calls"),
        "held_calls": (f"calls to the API server in {HOLD_S:g} s of waiting, all stages", HELD_CALLS, "calls"),
        "again_calls": ("calls to the API server to take up a hundred stages", TAKE_UP_CALLS, "calls"),
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


class Launcher:
    """A launcher as a process, and what it says of itself."""

    def __init__(self, where: Path, name: str, file: Path, at: Place) -> None:
        self._said, self._log = where / f"{name}.json", where / f"{name}.log"
        line = [sys.executable, "-m", "bench.counted", str(self._said), "run", str(file), "--backend", "kubernetes", "--store", at.uri]
        self.began = time.monotonic()
        with self._log.open("wb") as out:
            env = {**compiled(), "LADING_CACHE": str(where / "cache")}
            self.process = subprocess.Popen([*line, "--run", RUN, "--json"], stdout=out, stderr=subprocess.STDOUT, env=env)

    def said(self) -> dict[str, Any]:
        """Calls by verb, peak memory, seconds of CPU."""
        return dict(json.loads(self._said.read_text()))

    def alive(self) -> None:
        """Refuses to go on with one that ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the launcher ended with {self.process.returncode}:\n{self._log.read_text()[-4000:]}")

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self.process.kill()
        self.process.wait()

    def ended(self) -> None:
        """Waits for the end of its run."""
        if self.process.wait():
            self.alive()


def _measure(where: Path, at: Place) -> tuple[dict[str, float], dict[str, Any]]:
    file = empty_stages(where, STAGES, chain=False)
    data = yaml.safe_load(file.read_text())
    tolerations = [{"key": TAINT, "operator": "Exists"}]
    data["defaults"] = {"cpu": 0.1, "memory": "16Mi"}
    data["kubernetes"] = {"namespace": at.namespace, "node_selector": SELECTOR, "tolerations": tolerations, "annotations": STAYS}
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    launcher = Launcher(where, "first", file, at)
    try:
        with _hearts(at) as attempts:
            _until(lambda: len(_running(at)) == STAGES and len(attempts()) == STAGES, launcher, within_s=WAIT_S)
            started, to_start = time.monotonic() - launcher.began, launcher.said()
            time.sleep(HOLD_S)
            launcher.alive()
            first = launcher.said()
            launcher.kill()
            launcher = Launcher(where, "second", file, at)
            _until(lambda: _in_flight(at, launcher) == STAGES, launcher, within_s=WAIT_S)
            taken_up = time.monotonic() - launcher.began
            again = launcher.said()
            _finish(at, attempts())
        committed = time.monotonic()
        launcher.ended()
    finally:
        launcher.kill()
    waited = {name: number - to_start["calls"].get(name, 0) for name, number in first["calls"].items()}
    figures = {
        "memory": first["peak_mb"],
        "again_memory": launcher.said()["peak_mb"],
        "start_calls": _api(to_start["calls"]) / STAGES,
        "held_calls": float(_api(waited)),
        "again_calls": _api(again["calls"]) / STAGES * 100,
        "start": started / STAGES,
    }
    seconds = {"until_all_in_flight": started, "held": HOLD_S, "to_take_up": taken_up, "to_end": time.monotonic() - committed}
    calls = {"to_start": to_start["calls"], "while_waiting": waited, "to_take_up": again["calls"], "to_end": launcher.said()["calls"]}
    return figures, {"stages": STAGES, "calls": calls, "seconds": seconds, "cpu_s": [first["cpu_s"], launcher.said()["cpu_s"]]}


def _in_flight(at: Place, launcher: Launcher) -> int:
    """How many stages this very launcher says it waits for."""
    from lading.errors import MissingObjectError
    from lading.launch.record import RunProgress
    from lading.names import RunPlaces

    try:
        said = RunProgress.model_validate_json(at.store.read(RunPlaces(RUN).progress))
    except MissingObjectError:
        return 0
    return len(said.waits) if f":{launcher.process.pid}@" in said.who else 0


def _api(counts: dict[str, int]) -> int:
    return sum(number for name, number in counts.items() if not name.startswith("store "))


def _until(look: Callable[[], bool], launcher: Launcher, *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not look():
        launcher.alive()
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
                places = [_id(claim).progress() for claim in list(claims.values())]
                list(pool.map(at.store.write, places, [data] * len(places)))
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
