"""What every store promises, held against a folder and against a real S3 server."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.errors import MissingObjectError, NotFoundError, UserError
from lading.store.base import Store
from lading.store.opening import ensure_honest, open_store

MIB = 1 << 20
part = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="/\\"), min_size=1, max_size=12).filter(
    lambda text: text.isprintable() and text not in {".", "..", ".tmp"} and len(text.encode()) < 200
)


def sparse(path: Path, size: int) -> Path:
    """A big file that takes no space, with different bytes at its begin and its end."""
    with path.open("wb") as file:
        file.write(b"begin")
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    return path


def test_what_was_written_is_read(store: Store) -> None:
    """An object is read as it was written, whole or in part, also from behind its end."""
    store.write("a/b.json", b"0123456789")

    assert store.read("a/b.json") == b"0123456789"
    assert store.read("a/b.json", start=3) == b"3456789"
    assert store.read("a/b.json", limit=4) == b"0123"
    assert store.read("a/b.json", start=8, limit=10) == b"89"
    assert (store.read("a/b.json", start=99), store.read("a/b.json", start=99, limit=1), store.read("a/b.json", limit=0)) == (b"", b"", b"")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(part, min_size=1, max_size=4).map("/".join), st.binary(max_size=300))
def test_keys_and_bytes_round_trip(store: Store, key: str, data: bytes) -> None:
    """Whatever plain key and bytes: what was written is read, listed under its very key, and gone when deleted."""
    key = f"x{time.monotonic_ns()}/{key}"
    store.write(key, data)

    assert store.read(key) == data
    assert [(stat.key, stat.size) for stat in store.list(key)] == [(key, len(data))]

    store.delete([key])
    assert list(store.list(key)) == []


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "../a", "a/../b", "a/.", "a\\b", "a\nb", "a\0b", ".tmp/a", "a/", "ä" * 500, "a/" + "b" * 300]
)
def test_keys_that_are_not_plain_are_refused(store: Store, key: str) -> None:
    """A key that climbs, is absolute, or means different things to different stores is refused by every method, with a sentence."""
    for act in (
        store.read,
        lambda key: store.write(key, b""),
        lambda key: store.delete([key]),
        lambda key: store.upload(key, Path(__file__)),
    ):
        with pytest.raises(UserError, match="can't be a key"):
            act(key)


def test_a_missing_object_is_named(store: Store, tmp_path: Path) -> None:
    """Reading what is not there says which key, and leaves no file behind."""
    store.write("a/b", b"")
    with pytest.raises(MissingObjectError, match="a/c"):
        store.read("a/c")
    with pytest.raises(MissingObjectError, match="a/c"):
        store.download("a/c", tmp_path / "arrivals" / "c")

    assert list((tmp_path / "arrivals").glob("*")) == []


def test_an_own_write_counts_as_won(store: Store) -> None:
    """Of two different bodies the first stands; the same body again is one's own write."""
    assert store.write("claim", b"mine", if_absent=True)
    assert not store.write("claim", b"yours", if_absent=True)
    assert store.write("claim", b"mine", if_absent=True)
    assert not store.write("claim", b"min", if_absent=True)
    assert not store.write("claim", b"", if_absent=True)
    assert store.read("claim") == b"mine"


def _compete(store: Store, index: int, rounds: int, barrier: Any, results: Any) -> None:
    for number in range(rounds):
        barrier.wait(60)
        results.put((number, index, store.write(f"race/{number}/claim", f"process {index}".encode(), if_absent=True)))


def test_of_sixteen_processes_one_wins(shared_store: Store) -> None:
    """When 16 processes write the same key if absent, exactly one is told that it won, and its bytes are what is read."""
    rounds, racers = 5, 16
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(racers), fork.Queue()
    processes = [fork.Process(target=_compete, args=(shared_store, index, rounds, barrier, results)) for index in range(racers)]
    for process in processes:
        process.start()
    told = [results.get(timeout=60) for _ in range(rounds * racers)]
    for process in processes:
        process.join(60)

    for number in range(rounds):
        winners = [index for at, index, won in told if at == number and won]
        assert [f"process {index}".encode() for index in winners] == [shared_store.read(f"race/{number}/claim")]


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 40 * MIB + 7])
def test_files_travel_whole(store: Store, tmp_path: Path, size: int) -> None:
    """A file comes back byte for byte, in one part or several, and both digests are those of its bytes."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    sent = store.upload("x/file", path)
    arrived = store.download("x/file", tmp_path / "new" / "folder" / "back")

    assert sent == arrived
    assert (sent.size, sent.sha256) == (size, hashlib.sha256(path.read_bytes()).hexdigest())
    assert (tmp_path / "new" / "folder" / "back").read_bytes() == path.read_bytes()
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["back"]


def test_an_upload_overwrites(store: Store, tmp_path: Path) -> None:
    """An upload replaces what stood there, and the etag shows it."""
    store.write("file", b"old")
    (before,) = store.list("file")
    (tmp_path / "file").write_bytes(b"new")
    store.upload("file", tmp_path / "file")
    (after,) = store.list("file")

    assert store.read("file") == b"new"
    assert before.etag != after.etag


def test_a_source_that_is_not_there_is_the_users_mistake(store: Store, tmp_path: Path) -> None:
    """Uploading a file that is missing, or a folder, names it and does not blame the store."""
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(NotFoundError, match="can't be stored"):
            store.upload("x", path)


def test_lists_are_in_the_order_of_keys(store: Store) -> None:
    """LIST yields every key under a prefix, also half a name, in the order of their bytes."""
    keys = ["a.b", "a/b", "a/b.c", "a/bb/c", "a/é", "a/z", "a0", "aa/x", "b"]
    for key in reversed(keys):
        store.write(key, b"x")

    assert [stat.key for stat in store.list("")] == sorted(keys, key=str.encode)
    assert [stat.key for stat in store.list("a/")] == [key for key in sorted(keys, key=str.encode) if key.startswith("a/")]
    assert [stat.key for stat in store.list("a/b")] == [key for key in sorted(keys, key=str.encode) if key.startswith("a/b")]
    assert list(store.list("nothing/here")) == []


def test_long_lists_are_complete(store: Store) -> None:
    """More objects than one page of a server holds are all listed, once, and all deleted."""
    keys = [f"many/{index:04}" for index in range(1003)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b""), keys))
    assert [stat.key for stat in store.list("many/")] == keys

    store.delete(keys)
    assert list(store.list("many/")) == []


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    """A delete may be repeated, and takes nothing else with it."""
    store.write("a/b", b"")
    store.write("a/c", b"")
    store.delete(["a/b", "a/b", "no/such"])
    store.delete([])

    assert [stat.key for stat in store.list("")] == ["a/c"]


def test_readers_never_see_half_a_write(store: Store) -> None:
    """While one writer rewrites an object, readers see one version or the other, whole."""
    versions = [bytes([byte]) * (300_000 + byte) for byte in range(4)]
    store.write("progress.json", versions[0])
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            for version in versions:
                store.write("progress.json", version)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        assert {store.read("progress.json") in versions for _ in range(60)} == {True}
    finally:
        stop.set()
        writer.join()


def test_the_probe_finds_it_honest_once(store: Store) -> None:
    """The probe passes, leaves its record and nothing else, and is not made again."""
    ensure_honest(store)
    assert [stat.key for stat in store.list("")] == ["probe.json"]
    (before,) = store.list("probe.json")

    ensure_honest(store)
    assert list(store.list("")) == [before]


def test_the_clock_is_the_stores_own(store: Store) -> None:
    """The store's clock and the times in its lists are of one kind."""
    store.write("a", b"")
    (stat,) = store.list("a")

    assert -1.5 <= store.clock() - stat.modified <= 10


def test_the_address_opens_the_same_store(shared_store: Store) -> None:
    """A store's uri opens it again, and holds no credentials."""
    shared_store.write("a", b"here")

    assert open_store(shared_store.uri).read("a") == b"here"
    assert open_store(shared_store.uri).uri == shared_store.uri
    assert os.environ.get("AWS_SECRET_ACCESS_KEY", "?") not in shared_store.uri


MOVE = """
import resource, sys, pathlib
from lading.store.opening import open_store
store, source, back = open_store(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
def peak(): return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
store.write("warm", b"x" * 1000); store.read("warm")
before = peak()
print("started", flush=True)
store.upload("big", source)
up = peak()
store.download("big", back)
print(up - before, peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory from /proc")
def test_memory_does_not_grow_with_the_file(shared_store: Store, tmp_path: Path) -> None:
    """Moving 300 MB up and down takes less than 80 MB more than moving nothing (twice as many parts at once would take more)."""
    source = sparse(tmp_path / "big", 300 * MIB)
    done = subprocess.run(
        [sys.executable, "-c", MOVE, shared_store.uri, str(source), str(tmp_path / "back")], capture_output=True, text=True, check=True
    )
    grown = [float(number) for number in done.stdout.split()[1:]]

    assert max(grown) < 80, f"grew by {grown} MB"


def test_a_killed_upload_leaves_nothing_but_what_gc_ends(shared_store: Store, tmp_path: Path) -> None:
    """kill -9 in the middle of an upload leaves no object; what it left is found by its age and can be ended, twice."""
    source = sparse(tmp_path / "big", 2000 * MIB)
    child = subprocess.Popen([sys.executable, "-c", MOVE, shared_store.uri, str(source), str(tmp_path / "back")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    deadline = time.monotonic() + 20
    while not (left := list(shared_store.leftovers(time.time() + 3600))) and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.01)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()

    assert left
    assert [stat.key for stat in shared_store.list("")] == ["warm"]
    assert list(shared_store.leftovers(shared_store.clock() - 3600)) == []  # type: ignore[attr-defined]
    for leftover in (*left, *left):
        shared_store.end(leftover)  # type: ignore[attr-defined]
    assert list(shared_store.leftovers(time.time() + 3600)) == []  # type: ignore[attr-defined]
