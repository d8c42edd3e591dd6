"""What a folder as a store promises beside the contract: links, errors of the disk, and what reading leaves alone."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lading.errors import MissingObjectError, StoreDeniedError, StoreError, StoreFullError, UserError
from lading.store.directory import DirectoryStore
from lading.store.opening import open_store


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A store that is not there yet."""
    return DirectoryStore(tmp_path / "some" / "store")


def test_reading_makes_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    """A store that is not there lists as empty, says so when read, and comes to be with its first write only."""
    assert list(store.list("manifests/")) == []
    assert (store.clock(), list(store.leftovers(9e9))) == (0.0, [])
    store.delete(["a"])
    with pytest.raises(MissingObjectError, match="there is no store at"):
        store.read("a")
    assert list(tmp_path.iterdir()) == []

    store.write("a", b"")
    assert store.read("a") == b""


@pytest.mark.parametrize("where", ["file", "folder", "outside"])
def test_links_are_refused(store: DirectoryStore, tmp_path: Path, where: str) -> None:
    """Nothing is read, written or listed through a link, wherever it points to."""
    store.write("a/real", b"inside")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "b").write_bytes(b"outside")
    root = Path(store.uri)
    target = {"file": root / "a" / "real", "folder": root / "a", "outside": tmp_path / "secret"}[where]
    (root / "link").symlink_to(target)
    key = "link" if where == "file" else "link/b"

    for act in (lambda: store.read(key), lambda: store.write("link/new", b"", if_absent=True)):
        with pytest.raises(StoreError):
            act()
    assert [stat.key for stat in store.list("")] == ["a/real"]
    assert list(store.list("link/")) == []
    assert sorted(path.name for path in (tmp_path / "secret").iterdir()) == ["b"]


def test_an_upload_replaces_a_link_and_not_its_target(store: DirectoryStore, tmp_path: Path) -> None:
    """Overwriting a key that is a link leaves what the link points to alone."""
    (tmp_path / "victim").write_bytes(b"precious")
    store.write("a", b"")
    Path(store.uri, "link").symlink_to(tmp_path / "victim")
    store.write("link", b"new")

    assert ((tmp_path / "victim").read_bytes(), store.read("link")) == (b"precious", b"new")


def test_pipes_are_refused_and_block_nobody(store: DirectoryStore) -> None:
    """A named pipe in the store is an error at once, not a wait for ever."""
    store.write("a", b"")
    os.mkfifo(Path(store.uri, "pipe"))
    with pytest.raises(StoreError, match="not a regular file"):
        store.read("pipe")


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.ENOSPC, StoreFullError, "no space is left"),
        (errno.EDQUOT, StoreFullError, "no space is left"),
        (errno.EACCES, StoreDeniedError, "Permission denied"),
        (errno.EROFS, StoreDeniedError, "Read-only file system"),
        (errno.EIO, StoreError, "Input/output error"),
    ],
)
def test_what_the_disk_refuses_has_its_sentence(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, error: type, says: str
) -> None:
    """A full, forbidden, read-only or broken disk is said in a sentence; nothing half is left behind, not even under .tmp."""
    store.write("old", b"stands")

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    (tmp_path / "file").write_bytes(b"x" * 10)
    for act in (
        lambda: store.write("new", b"x"),
        lambda: store.write("new", b"x", if_absent=True),
        lambda: store.upload("n", tmp_path / "file"),
    ):
        with pytest.raises(error, match=says) as caught:
            act()
        assert caught.value.do
    assert [stat.key for stat in store.list("")] == ["old"]
    assert list(store.leftovers(9e9)) == []


def test_a_file_system_without_hard_links_is_named(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no hard links, the store says that this is what it lacks."""

    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match="no hard links"):
        store.write("a", b"", if_absent=True)


def test_a_name_that_a_file_server_gave_and_denied_is_ones_own(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS may lose the answer to a link that took effect: the repeated one says 'exists', and the bytes say whose it is."""
    link = os.link

    def lossy(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "exists", source, None, target)

    monkeypatch.setattr(os, "link", lossy)
    assert store.write("a", b"mine", if_absent=True)


def test_writers_and_deleters_of_one_folder_do_not_trip(store: DirectoryStore) -> None:
    """Folders that are empty go, also while another writes into them; no writer fails for it."""
    stop = threading.Event()
    troubles: list[Exception] = []

    def sweep() -> None:
        while not stop.is_set():
            store.delete(["deep/er/gone"])

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(150):
            try:
                assert store.write("deep/er/key", b"%d" % number, if_absent=True)
                store.delete(["deep/er/key"])
            except StoreError as error:
                troubles.append(error)
    finally:
        stop.set()
        sweeper.join()
    store.delete(["deep/er/gone"])

    assert troubles == []
    assert not Path(store.uri, "deep").exists()


def test_a_key_below_an_object_is_an_error(store: DirectoryStore) -> None:
    """Where an object stands no folder can be, and the store says so and loses nothing."""
    store.write("a", b"stands")
    with pytest.raises(StoreError):
        store.write("a/b", b"", if_absent=True)
    with pytest.raises(MissingObjectError):
        store.read("a/b")
    assert store.read("a") == b"stands"


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a file:// address and s3:// open their store; anything else is the user's mistake, said without credentials."""
    monkeypatch.chdir(tmp_path)
    assert open_store(".lading").uri == str(tmp_path.resolve() / ".lading")
    assert open_store(f"file://{tmp_path}/a%20b").uri == str(tmp_path.resolve() / "a b")
    assert open_store("s3://bucket").uri == "s3://bucket"
    assert open_store("s3://bucket/a/b/").uri == "s3://bucket/a/b"

    for wrong in ("", "gs://bucket/x", "file://host/x", "s3://", "s3://UPPER", "s3://b/../c", "s3://key:planted@bucket/x"):
        with pytest.raises(UserError) as caught:
            open_store(wrong)
        assert "planted" not in str(caught.value)


def test_a_folder_needs_no_boto() -> None:
    """Opening a folder imports neither boto3 nor botocore, which take a third of a second."""
    program = "import sys; from lading.store.opening import open_store; open_store('x'); print({'boto3', 'botocore'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
