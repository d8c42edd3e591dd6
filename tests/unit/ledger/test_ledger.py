"""The ledger lists, finds and compares runs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading.errors import DamagedInputError, NotFoundError, StoreError, UserError
from lading.ledger.artifacts import fetch, fetch_one
from lading.ledger.compare import Changed, compare, compare_records
from lading.ledger.documents import record_of
from lading.ledger.manifests import manifest_of
from lading.ledger.runs import find_run, run_frame, run_ids, runs
from lading.names import AttemptId
from lading.results import ArtifactHandle, StageResult
from lading.store.base import Digest
from lading.store.directory import DirectoryStore
from support.finished_runs import make_run
from support.memory_store import MemoryStore

FIRST, SECOND = "20261125T090000Z-aaaa", "20261125T100000Z-bbbb"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """Two runs that differ in epochs and accuracy."""
    store = DirectoryStore(tmp_path / "store")
    make_run(store, FIRST, accuracy=0.966, epochs=10)
    make_run(store, SECOND)
    return store


def test_runs_come_newest_first(store: DirectoryStore) -> None:
    """And no more than asked for."""
    assert [one.run for one in runs(store)] == [SECOND, FIRST]
    assert [one.run for one in runs(store, last=1)] == [SECOND]
    assert runs(store, pipeline="other") == []


@pytest.mark.parametrize(("text", "expected"), [("last", SECOND), (FIRST, FIRST), ("20261125T09", FIRST)])
def test_a_run_is_found(store: DirectoryStore, text: str, expected: str) -> None:
    """By `last`, by its id, by the beginning of one."""
    assert expected == find_run(store, text)


def test_ids_without_a_time_are_ordered_by_their_plan() -> None:
    """A release's run, or a retraining's, is the last one only until another begins; the end of a run does not make it a newer one."""
    now = datetime(2026, 11, 25, 9, 30, tzinfo=UTC).timestamp()
    store = MemoryStore(clock=lambda: now)
    store.write("runs/zoo-1-abc/plan.json", b"{}")
    assert find_run(store, "last") == "zoo-1-abc"
    store.write(f"runs/{FIRST}/plan.json", b"{}")
    assert find_run(store, "last") == "zoo-1-abc"
    store.write(f"runs/{SECOND}/plan.json", b"{}")
    now += 7200
    store.write("runs/zoo-1-abc/run.json", b"{}")
    assert run_ids(store) == [FIRST, "zoo-1-abc", SECOND]
    store.write("runs/ant-2-abc/plan.json", b"{}")
    assert find_run(store, "last") == "ant-2-abc"


@pytest.mark.parametrize(("text", "said"), [("2026", "beginning of 2 runs"), ("x", "no run 'x'"), ("", "no run ''")])
def test_a_run_that_is_not_meant_is_not_found(store: DirectoryStore, text: str, said: str) -> None:
    """The message says what there is."""
    with pytest.raises(NotFoundError, match=said):
        find_run(store, text)


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    """No runs at all is its own sentence."""
    with pytest.raises(NotFoundError, match="no runs in"):
        find_run(DirectoryStore(tmp_path), "last")


def test_compare_names_what_differs(store: DirectoryStore) -> None:
    """The setting, the measurements, and the stages under other keys."""
    found = compare(store, FIRST, SECOND)

    assert (Changed("train", "epochs", 10, 15),) == found.settings
    assert Changed("train", "accuracy", 0.966, 0.975) in found.measurements
    assert "data" not in {one.stage for one in found.keys}
    assert not found.same
    assert compare(store, FIRST, FIRST).same


def test_a_frame_has_a_row_a_stage(store: DirectoryStore) -> None:
    """With a column a measurement."""
    pytest.importorskip("pandas")

    assert run_frame(store, record_of(store, SECOND)).loc["train", "accuracy"] == 0.975


def test_artifacts_are_fetched_and_checked(store: DirectoryStore, tmp_path: Path) -> None:
    """One by its name, all of them below a folder; a damaged one is refused and not left behind."""
    found = manifest_of(store, record_of(store, SECOND)["stages"]["train"])
    assert found is not None
    manifest = found[1]

    assert [tmp_path / "m.bin"] == [path for _, path, _ in fetch(store, manifest, "model.bin", tmp_path / "m.bin")]
    assert len(manifest.artifacts) == len(fetch(store, manifest, "all", tmp_path / "all"))
    store.write(AttemptId(manifest.kind, manifest.key, 1).artifacts + "model.bin", b"other")
    with pytest.raises(DamagedInputError, match=r"model\.bin is damaged"):
        fetch(store, manifest, "model.bin", tmp_path / "bad.bin")
    assert not list(tmp_path.glob("*bad*")) + list(tmp_path.glob(".*bad*"))
    with pytest.raises(NotFoundError, match=r"made no artifact 'model\.bim'"):
        fetch(store, manifest, "model.bim", tmp_path)


def test_what_is_there_already_is_not_fetched_again(store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache is asked by digest: one download for one file and for each of a folder, until its bytes are other ones."""
    monkeypatch.setenv("LADING_CACHE", str(tmp_path / "cache"))
    counted = Counting(tmp_path / "store")
    stage = StageResult(counted, SECOND, "train", record_of(store, SECOND)["stages"]["train"])
    one, several = stage.artifact("model.bin"), stage.artifact("all")
    assert isinstance(one, ArtifactHandle)

    assert one.read() == one.read() == one.path().read_bytes()
    assert counted.downloads == 1
    several.path()
    several.path()
    assert counted.downloads == 1 + len(stage.artifacts)
    one.path().write_bytes(b"other")
    assert one.read() != b"other"
    assert counted.downloads == 2 + len(stage.artifacts)


class Counting(DirectoryStore):
    """A folder that counts downloads, each of which waits until `together` are on their way."""

    def __init__(self, path: Path, *, together: int = 1) -> None:
        super().__init__(path)
        self.downloads = 0
        self._met = threading.Barrier(together)

    def download(self, key: str, path: Path) -> Digest:
        self.downloads += 1
        self._met.wait(30)
        digest = super().download(key, path)
        self._met.wait(30)
        return digest


def test_two_fetch_one_artifact_at_a_time(store: DirectoryStore, tmp_path: Path) -> None:
    """Neither disturbs the other, and nothing but the file is left behind."""
    found = manifest_of(store, record_of(store, SECOND)["stages"]["train"])
    assert found is not None
    both = Counting(tmp_path / "store", together=2)
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: fetch_one(both, found[1], "model.bin", tmp_path / "m" / "model.bin"), range(2)))

    assert paths == [tmp_path / "m" / "model.bin"] * 2
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["model.bin"]


@pytest.mark.parametrize("where", ["afile/x", "afile/deeper/x", "x" * 300])
def test_a_place_that_can_not_be_is_refused(store: DirectoryStore, tmp_path: Path, where: str) -> None:
    """A file where a folder would be, or too long a name, is a mistake of the user's, told in a sentence."""
    (tmp_path / "afile").write_text("")
    found = manifest_of(store, record_of(store, SECOND)["stages"]["train"])
    assert found is not None

    with pytest.raises(UserError, match="can't be written"):
        fetch_one(store, found[1], "model.bin", tmp_path / where)


@pytest.mark.parametrize("where", ["afile/x", "afile/deeper/x", "x" * 300])
def test_a_download_says_why_it_can_not_arrive(store: DirectoryStore, tmp_path: Path, where: str) -> None:
    """In the store's own words, not in those of what cleans up after it."""
    (tmp_path / "afile").write_text("")
    store.write("some/object", b"abc")

    with pytest.raises(StoreError, match="can't be written"):
        store.download("some/object", tmp_path / where)


def test_a_stage_that_one_run_has_alone_is_named_and_no_more(store: DirectoryStore) -> None:
    """Not each of its settings as a change to none."""
    first, second = record_of(store, FIRST), record_of(store, SECOND)
    second["stages"]["later"] = second["stages"].pop("bundle")
    found = compare_records(first, second, settings=({"bundle": {"a": 1}}, {"later": {"a": 1}}), numbers=({"bundle": {"b": 1.0}}, {}))

    assert (found.gone, found.new) == (("bundle",), ("later",))
    assert not {"bundle", "later"} & {one.stage for one in (*found.settings, *found.keys, *found.measurements)}
    assert not compare_records({"stages": {}}, {"stages": {"x": {}}}, settings=({}, {}), numbers=({}, {})).same


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (15, None, ("15", "none")),
        ("x" * 100 + "one", "x" * 100 + "two", ("…" + "x" * 12 + "one", "…" + "x" * 12 + "two")),
        ("a" * 100, "b", ("a" * 39 + "…", "b")),
    ],
)
def test_long_values_are_shown_where_they_differ(before: object, after: object, texts: tuple[str, str]) -> None:
    """Two commands that begin alike are not shown as the same."""
    assert Changed("s", "w", before, after).texts == texts
