"""Runners that are cut off, late, or wrong about the time, over the real S3: one manifest, nothing lost, nobody works for nobody."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest

from entry_jobs import eventually, gone
from lading.attempt import tickets
from lading.attempt.presence import presences
from lading.store.base import Store
from lading.store.opening import open_store
from support.pulled import COMMAND, Launching, pipeline
from support.toxiproxy import Way

pytestmark = [
    pytest.mark.s3,
    pytest.mark.skipif(not os.environ.get("AWS_ENDPOINT_URL"), reason="AWS_ENDPOINT_URL names no S3 server"),
]
TOXIPROXY = pytest.mark.skipif(not os.environ.get("TOXIPROXY_URL"), reason="TOXIPROXY_URL names no toxiproxy")
STALE_S = 6.0
"""A silence of so long is death here; heartbeats come every half second."""
CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, which, now);
    const char *off = getenv("CLOCK_OFF_S");
    if (which == CLOCK_REALTIME && off) now->tv_sec += atoi(off);
    return code;
}
time_t time(time_t *out) { struct timespec now; clock_gettime(CLOCK_REALTIME, &now); if (out) *out = now.tv_sec; return now.tv_sec; }
"""
SITE = """
import os, sys
if "CLOCK_LIBRARY" not in os.environ and os.path.exists(FOLDER + "/clock.so"):
    os.environ |= {"CLOCK_LIBRARY": "1", "LD_PRELOAD": FOLDER + "/clock.so", "CLOCK_OFF_S": "SECONDS"}
    os.execv(sys.executable, sys.orig_argv)
"""
"""Every Python below, fork servers and supervisors too, starts with the wrong clock."""


@pytest.fixture
def store(bucket: str) -> Store:
    """A store of the test's own."""
    return open_store(f"s3://{bucket}/{secrets.token_hex(6)}")


@pytest.fixture
def runner(store: Store, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts runners; they end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(name: str, **more: str) -> subprocess.Popen[str]:
        line = [*COMMAND, "runner", "--store", store.uri, "--platform", "any", "--allow-script", "--poll", "0.3", "--name", name]
        env = os.environ | {"LADING_HEARTBEAT_S": "0.5", "LADING_WORK": str(tmp_path)} | more
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def keys(store: Store, prefix: str, end: str = "") -> list[str]:
    """What lies there."""
    return [stat.key for stat in store.list(prefix) if stat.key.endswith(end)]


def read(store: Store, key: str) -> dict:
    """A document."""
    return json.loads(store.read(key))


def state(store: Store, name: str) -> str:
    """What a runner says of itself, if it lives."""
    return next((seen.presence.state for seen in presences(store) if seen.alive and seen.presence.name == name), "gone")


def blocked(block: Path) -> str:
    """A stage that ends when a file goes."""
    block.touch()
    return f"while [ -e {block} ]; do sleep 0.1; done; echo > $LADING_OUTPUT/x"


@TOXIPROXY
def test_a_runner_that_is_cut_off_loses_the_stage_and_comes_back_harmlessly(
    store: Store, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Its connection breaks in mid-stage: the attempt is judged lost, another runner makes the result. When it is back, its own attempt
    ends without a manifest, it says again that it lives, and it takes the next work."""
    block = tmp_path / "block"
    run = Launching(store.uri, pipeline("one", command=blocked(block)), stale_s=STALE_S)
    with Way() as way:
        runner("far", AWS_ENDPOINT_URL=way.url)
        eventually(lambda: keys(store, "attempts/", "/1/progress-0.json"))
        way.cut()
        eventually(lambda: keys(store, "attempts/", "/1/verdict.json"), within_s=60)
        near = runner("near")
        eventually(lambda: keys(store, "attempts/", "/2/progress-0.json"), within_s=60)
        block.unlink()
        record = run.end(120)
        near.terminate()
        near.communicate(timeout=60)
        assert not keys(store, "attempts/", "/1/outcome-0.json")
        way.mend()
        eventually(lambda: state(store, "far") == "idle", within_s=120)
        again = Launching(store.uri, pipeline("two", command="echo > $LADING_OUTPUT/x"), stale_s=60)
        assert again.end(120).state == "succeeded"

    assert record.state == "succeeded"
    (verdict,) = keys(store, "attempts/", "/1/verdict.json")
    assert read(store, verdict)["cause"] == "lost"
    made = [read(store, key) for key in keys(store, "manifests/script/")]
    assert sorted(one["provenance"]["run"] for one in made) == sorted([run.run, again.run])
    assert next(one["attempt"] for one in made if one["provenance"]["run"] == run.run) != 1
    assert not keys(store, "tickets/")


@TOXIPROXY
def test_a_runner_that_is_cut_off_alone_does_the_work_when_it_is_back(
    store: Store, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Nobody else is there, and its stage ends while it is cut off: what it made counts or is made again, and the run comes to its end."""
    block = tmp_path / "block"
    run = Launching(store.uri, pipeline("one", command=blocked(block)), stale_s=STALE_S)
    with Way() as way:
        runner("far", AWS_ENDPOINT_URL=way.url)
        eventually(lambda: keys(store, "attempts/", "/1/progress-0.json"))
        way.cut()
        block.unlink()
        eventually(lambda: keys(store, "tickets/", "-2.json"), within_s=60)
        way.mend()
        record = run.end(180)

    assert record.state == "succeeded"
    assert len(keys(store, "manifests/script/")) == 1
    assert not keys(store, "tickets/")


@TOXIPROXY
def test_a_run_that_is_cancelled_while_its_runner_is_cut_off(
    store: Store, runner: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The runner hears of it when it is back: it stops the stage, and takes nothing that is left of the run."""
    run = Launching(store.uri, pipeline("one", "two", command=blocked(tmp_path / "block")), stale_s=STALE_S)
    with Way() as way:
        runner("far", AWS_ENDPOINT_URL=way.url)
        eventually(lambda: keys(store, "attempts/", "/1/progress-0.json"))
        worker = next(seen.presence.worker for seen in presences(store) if seen.presence.worker)
        way.cut()
        run.cancel.set()
        assert run.end(60).state == "cancelled"
        assert not gone(worker)
        way.mend()
        eventually(lambda: gone(worker), within_s=120)
        eventually(lambda: state(store, "far") == "idle", within_s=60)

    assert not keys(store, "manifests/script/")
    assert not keys(store, "tickets/")
    assert len(keys(store, "attempts/", "/taken.json")) == 1


@pytest.fixture
def clock(tmp_path: Path) -> Callable[[int], dict[str, str]]:
    """Gives the environment in which every Python has a clock so many seconds off."""
    if sys.platform != "linux" or not (compiler := which("cc")):
        pytest.skip("a wrong clock needs Linux and a C compiler")

    def make(off: int) -> dict[str, str]:
        folder = tmp_path / f"clock{off}"
        folder.mkdir()
        (folder / "clock.c").write_text(CLOCK)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c"], check=True)
        (folder / "sitecustomize.py").write_text(SITE.replace("FOLDER", repr(str(folder))).replace("SECONDS", str(off)))
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path}
        shown = subprocess.run([sys.executable, "-c", "import time; print(time.time())"], env=environment, capture_output=True, check=True)
        assert abs(float(shown.stdout) - time.time() - off) < 60
        return {"PYTHONPATH": path}

    return make


def test_clocks_that_are_ten_minutes_off_change_nothing(
    store: Store, runner: Callable[..., subprocess.Popen[str]], clock: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    """One runner ten minutes ahead, one behind: both are seen alive; the first dies in mid-stage and is lost after the silence and no
    sooner, the other takes over, and each stage has one manifest."""
    block = tmp_path / "block"
    run = Launching(store.uri, pipeline("one", command=blocked(block)), stale_s=STALE_S)
    ahead = runner("ahead", **clock(600))
    eventually(lambda: keys(store, "attempts/", "/1/progress-0.json"), within_s=60)
    runner("behind", **clock(-600))
    eventually(lambda: (state(store, "ahead"), state(store, "behind")) == ("working", "idle"), within_s=60)
    worker = next(seen.presence.worker for seen in presences(store) if seen.presence.worker)
    assert not keys(store, "attempts/", "verdict.json")
    assert len(list(tickets.offered(store, "any"))) == 0
    for pid in (ahead.pid, worker):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: keys(store, "attempts/", "/2/taken.json"), within_s=60)
    block.unlink()
    second = Launching(store.uri, pipeline("a", "b", "c", command="echo $N > $LADING_OUTPUT/x"))

    assert run.end(120).state == "succeeded"
    assert second.end(120).state == "succeeded"
    made = [read(store, key) for key in keys(store, "manifests/script/")]
    assert len(made) == 4
    off = [one["provenance"] for one in made if one["attempt"] == 1]
    assert {one["run"] for one in off} == {second.run}
    (taken,) = keys(store, "attempts/", "/2/taken.json")
    assert read(store, taken)["host"] == "behind"
    assert not keys(store, "tickets/")
