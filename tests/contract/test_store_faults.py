"""What a store makes of servers that lose answers, lie, hang, refuse or break midway."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_s3
from tiny_s3 import Handler, TinyS3

from lading.codes import Code, Exit
from lading.errors import MissingObjectError, StoreDeniedError, StoreError, StoreFullError, StoreMissingError
from lading.store import s3, s3streams
from lading.store.base import Store
from lading.store.opening import ensure_honest, open_store
from lading.store.probe import refuse_dishonest
from support.toxiproxy import toxi

SECRET = "secret-that-no-text-may-hold"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyS3]:
    """A server whose faults the test chooses; pauses between tries are short."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"ACCESS_KEY_ID": "AKIDPLANTED", "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(s3.time, "sleep", lambda _: None)
    with tiny_s3.serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def store(tiny: TinyS3) -> Store:
    """A store on the tiny server."""
    return open_store("s3://bucket")


def first(times: int, act: tiny_s3.Fault, method: str = "PUT") -> tiny_s3.Fault:
    """A fault of the first few requests by a method."""
    left = [times]
    lock = threading.Lock()

    def fault(handler: Handler, command: str, body: bytes) -> bool:
        with lock:
            if command != method or not left[0]:
                return False
            left[0] -= 1
        act(handler, command, body)
        return True

    return fault


def test_a_write_whose_answer_was_lost_is_ones_own(tiny: TinyS3, store: Store) -> None:
    """The PUT took effect and its answer was lost: the repeated one meets 412, reads its own bytes and has won."""
    tiny.after = first(1, lambda handler, *_: handler.drop())

    assert store.write("claim", b"nonce 1", if_absent=True)
    assert [method for method, _ in tiny.requests] == ["PUT", "PUT", "GET"]
    assert not store.write("claim", b"nonce 2", if_absent=True)


def test_another_that_came_between_two_tries_has_won(tiny: TinyS3, store: Store) -> None:
    """Our PUT was lost before it took effect, another's took the key meanwhile: we have lost."""

    def overtaken(handler: Handler, *_: object) -> None:
        tiny.objects["claim"] = b"theirs"
        handler.drop()

    tiny.fault = first(1, overtaken)

    assert not store.write("claim", b"ours", if_absent=True)
    assert store.read("claim") == b"theirs"


def test_a_key_deleted_between_two_looks_is_tried_again(tiny: TinyS3, store: Store) -> None:
    """412, and then nothing there to compare with: the write is made again, and wins."""
    tiny.fault = first(1, lambda handler, *_: handler.refuse(412, "PreconditionFailed"))

    assert store.write("claim", b"ours", if_absent=True)


def test_conflicts_are_retried_boundedly(tiny: TinyS3, store: Store) -> None:
    """A 409 for a write that met another is tried again; a server that says nothing else becomes an error."""
    tiny.fault = first(3, lambda handler, *_: handler.refuse(409, "ConditionalRequestConflict"))
    assert store.write("claim", b"ours", if_absent=True)

    tiny.requests.clear()
    tiny.fault = first(1000, lambda handler, *_: handler.refuse(409, "ConditionalRequestConflict"))
    with pytest.raises(StoreError, match="ConditionalRequestConflict"):
        store.write("other", b"ours", if_absent=True)
    assert len(tiny.requests) == s3.TRIES


def test_a_dishonest_server_is_refused(tiny: TinyS3, store: Store) -> None:
    """A server that ignores If-None-Match is found out before the first write, by everyone, until it keeps its promise."""
    tiny.conditional = False
    with pytest.raises(StoreError, match="ignores the condition"):
        ensure_honest(store)
    with pytest.raises(StoreError, match="ignores the condition"):
        refuse_dishonest(store)
    assert list(tiny.objects) == ["probe.json"]

    tiny.conditional = True
    ensure_honest(store)
    refuse_dishonest(store)


def test_a_server_that_is_honest_only_to_one_at_a_time_is_refused(tiny: TinyS3, store: Store) -> None:
    """A server that checks the condition and then writes without holding the key lets several of 8 writers win: found."""
    gate = threading.Barrier(8)

    def racy(handler: Handler, command: str, body: bytes) -> bool:
        key = handler.path.removeprefix("/bucket/").partition("?")[0]
        if command != "PUT" or "round" not in key or key in tiny.objects:
            return False
        gate.wait(10)
        tiny.objects[key] = body
        handler.answer(200, ETag='"x"')
        return True

    tiny.fault = racy
    with pytest.raises(StoreError, match="of 8 writers at once 8 were told"):
        ensure_honest(store)


@pytest.mark.parametrize("broken", [1, 3])
def test_a_read_that_breaks_midway_is_read_again(tiny: TinyS3, store: Store, tmp_path: Path, broken: int) -> None:
    """An answer that stops before its end is asked for again, for small objects and for parts of big ones."""

    def stop_midway(handler: Handler, *_: object) -> None:
        handler.send_response(206)
        handler.send_header("Content-Length", "1000")
        handler.send_header("ETag", '"x"')
        handler.end_headers()
        handler.wfile.write(b"x" * 10)
        handler.wfile.flush()
        handler.drop()

    tiny.objects["small"] = b"s" * 1000
    tiny.objects["big"] = os.urandom(s3streams.PART_BYTES * 2 + 5)
    tiny.fault = first(broken, stop_midway, "GET")
    assert store.read("small") == b"s" * 1000

    tiny.fault = first(broken, stop_midway, "GET")
    store.download("big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == tiny.objects["big"]


def test_two_versions_never_mix_in_a_download(tiny: TinyS3, store: Store, tmp_path: Path) -> None:
    """An object that is overwritten while it is downloaded is downloaded anew, whole."""
    old, new = (bytes([byte]) * (s3streams.PART_BYTES * 2) for byte in b"on")
    tiny.objects["big"] = old

    def overwrite(handler: Handler, command: str, body: bytes) -> bool:
        if command == "GET":
            tiny.objects["big"] = new
        return False

    tiny.after = overwrite
    store.download("big", tmp_path / "big")

    assert (tmp_path / "big").read_bytes() == new
    assert [path.name for path in tmp_path.iterdir()] == ["big"]


def test_a_lost_answer_to_the_end_of_an_upload_is_no_failure(tiny: TinyS3, store: Store, tmp_path: Path) -> None:
    """The upload was completed and the answer lost: the object bears the upload's nonce, so it is ours and whole."""
    (tmp_path / "big").write_bytes(os.urandom(s3streams.PART_BYTES + 5))

    def lose(handler: Handler, command: str, body: bytes) -> bool:
        if command == "POST" and "uploadId" in handler.path and not lost:
            lost.append(handler.drop())
            return True
        return False

    lost: list[None] = []
    tiny.after = lose
    store.upload("big", tmp_path / "big")

    assert lost
    assert tiny.objects["big"] == (tmp_path / "big").read_bytes()


def test_an_upload_that_was_ended_by_another_is_an_error(tiny: TinyS3, store: Store, tmp_path: Path) -> None:
    """An upload that gc ended is never reported as done."""
    (tmp_path / "big").write_bytes(os.urandom(s3streams.PART_BYTES + 5))
    tiny.objects["big"] = b"what stood before"
    tiny.fault = lambda handler, command, _: bool(command == "POST" and "uploadId" in handler.path and tiny.uploads.clear())
    with pytest.raises(StoreError, match="ended by another"):
        store.upload("big", tmp_path / "big")

    assert tiny.objects["big"] == b"what stood before"


@pytest.mark.parametrize(
    ("status", "code", "error", "says", "exit"),
    [
        (404, "NoSuchBucket", StoreMissingError, "there is no bucket s3://bucket", Exit.USAGE),
        (403, "AccessDenied", StoreDeniedError, "denies this identity to read", Exit.USAGE),
        (403, "InvalidAccessKeyId", StoreDeniedError, "does not know these credentials", Exit.USAGE),
        (400, "ExpiredToken", StoreDeniedError, "have expired", Exit.USAGE),
        (403, "RequestTimeTooSkewed", StoreError, "the clock of this machine", Exit.UNREACHABLE),
        (507, "InsufficientStorage", StoreFullError, "no space left", Exit.UNREACHABLE),
        (501, "NotImplemented", StoreError, "does not support the request", Exit.UNREACHABLE),
        (503, "SlowDown", StoreError, "SlowDown", Exit.UNREACHABLE),
        (418, "Teapot", StoreError, "Teapot refused by", Exit.UNREACHABLE),
    ],
)
def test_every_refusal_has_its_sentence(tiny: TinyS3, store: Store, status: int, code: str, error: type, says: str, exit: Exit) -> None:
    """What the server refuses is said in a sentence with the next command, in the right class, without credentials."""
    tiny.fault = lambda handler, *_: not handler.refuse(status, code, f"refused by {SECRET} and AKIDPLANTED")
    with pytest.raises(error, match=says) as caught:
        store.read("a/b")

    assert (caught.value.exit, bool(caught.value.do)) == (exit, True)
    assert SECRET not in str(caught.value)
    assert "AKIDPLANTED" not in str(caught.value)


def test_busy_servers_are_asked_again(tiny: TinyS3, store: Store) -> None:
    """A server that is busy for a while is asked again until it answers."""
    tiny.objects["a"] = b"here"
    tiny.fault = first(4, lambda handler, *_: handler.refuse(503, "SlowDown"), "GET")

    assert store.read("a") == b"here"


def test_denials_are_not_retried(tiny: TinyS3, store: Store) -> None:
    """What another try can't mend is said at once."""
    tiny.fault = lambda handler, *_: not handler.refuse(403, "AccessDenied")
    with pytest.raises(StoreDeniedError):
        store.read("a")
    assert len(tiny.requests) == 1


def test_a_server_that_is_not_there(tiny: TinyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection names the server, without what its address may hold of credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:1")
    with pytest.raises(StoreError, match=r"out of reach") as caught:
        open_store("s3://bucket/x").read("a")

    assert (caught.value.code, "127.0.0.1:1" in str(caught.value), SECRET in str(caught.value)) == (Code.STORE_UNREACHABLE, True, False)


def test_no_credentials(tiny: TinyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the message says how to give some."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StoreDeniedError, match="no credentials"):
        open_store("s3://bucket/x").read("a")


def test_a_server_that_hangs_is_an_error_in_bounded_time(tiny: TinyS3, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes requests and never answers is given up within the budget and one silence, for uploads too."""
    monkeypatch.setattr(s3, "READ_S", 0.2)
    monkeypatch.setattr(s3, "BUDGET_S", 0.5)
    release = threading.Event()
    tiny.fault = lambda *_: bool(release.wait(20)) or True
    for act in (lambda: store.read("a"), lambda: store.write("a", b"", if_absent=True), lambda: list(store.list(""))):
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer in time"):
            act()
        assert time.monotonic() - began < 1.5
    release.set()


def test_real_limits_stay_under_a_minute() -> None:
    """The last try begins within the budget and ends a connection and a silence later: in all less than a minute."""
    assert s3.BUDGET_S + s3.CONNECT_S + s3.READ_S < 60


def test_a_store_opened_before_a_fork_works_after_it(tiny: TinyS3, store: Store) -> None:
    """A forked child makes a client of its own."""
    store.write("a", b"parent")
    child = os.fork()
    if not child:
        os._exit(0 if store.read("a") == b"parent" and store._made[0] == os.getpid() else 1)  # type: ignore[attr-defined]
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.s3
@pytest.mark.skipif(not os.environ.get("TOXIPROXY_URL"), reason="TOXIPROXY_URL names no toxiproxy")
def test_lost_answers_of_a_real_server(s3_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is cut off for half a second, the writes reach the server: each write if absent is won by its writer all the same."""
    upstream = os.environ["AWS_ENDPOINT_URL"].partition("://")[2].rstrip("/")
    name = f"lading-{os.getpid()}"
    made = toxi("/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": upstream})
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{made['listen']}")
        store = open_store(s3_store.uri)
        for number in range(3):
            toxi(f"/proxies/{name}/toxics", {"name": "cut", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 0}})
            mend = threading.Timer(0.5, toxi, (f"/proxies/{name}/toxics/cut", None, "DELETE"))
            mend.start()
            assert store.write(f"claim/{number}", b"nonce", if_absent=True)
            mend.join()
        assert [s3_store.read(f"claim/{number}") for number in range(3)] == [b"nonce"] * 3
        with pytest.raises(MissingObjectError):
            store.read("absent")
    finally:
        toxi(f"/proxies/{name}", None, "DELETE")
