"""Handing results on: what stands, commits, voids and receiving."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading import names
from lading.errors import DamagedInputError, ManifestError, MissingObjectError
from lading.manifest.handoff import commit, missing, read_manifest, receive, receive_all, standing, void
from lading.manifest.model import Manifest, Void
from support.memory_store import MemoryStore
from support.results import KEY, key_for, make_manifest, put_result

FILES = {"train.npz": b"train bytes", "deep/data.json": b"{}"}


def test_nothing_stands_at_first() -> None:
    """A key nobody tried has number 0 and neither manifest nor void."""
    now = standing(MemoryStore(), "data", KEY)

    assert (now.n, now.manifest, now.void) == (0, None, None)


def test_standing_costs_one_list_and_one_read() -> None:
    """However long the history is, only its highest record is read."""
    store = MemoryStore()
    for n in (1, 3):
        store.write(names.manifest("data", KEY, n), make_manifest(FILES, nonce=f"m{n}").to_bytes())
        store.write(names.manifest("data", KEY, n + 1), Void(kind="data", key=KEY, voids=n, nonce="v", reason="r").to_bytes())
    calls: list[str] = []
    store.before = lambda act, key: calls.append(act)

    now = standing(store, "data", KEY)

    assert (now.n, now.void and now.void.voids, calls) == (4, 3, ["list", "read"])


def test_numbers_are_compared_as_numbers() -> None:
    """10.json is higher than 9.json, and what is not a plain number is no record."""
    store = MemoryStore()
    for n in (9, 10):
        store.write(names.manifest("data", KEY, n), make_manifest(FILES, nonce=f"m{n}").to_bytes())
    for name in ("011.json", "12", "x.json", "13.json.tmp", "-14.json", "١٥.json"):
        store.write(names.manifests("data", KEY) + name, b"?")

    assert standing(store, "data", KEY).n == 10


def test_commit_is_idempotent_by_nonce() -> None:
    """A committer that died after its PUT commits again and finds its own."""
    store, manifest = MemoryStore(), make_manifest(FILES)

    assert (1, manifest) == commit(store, manifest, after=0)
    assert (1, manifest) == commit(store, manifest, after=0)


def test_late_commit_gets_what_stands() -> None:
    """The first manifest stands; the second committer is told whose."""
    store = MemoryStore()
    commit(store, make_manifest(FILES, nonce="first"), after=0)

    n, manifest = commit(store, make_manifest({"other": b"x"}, nonce="late", attempt=2), after=0)

    assert (n, manifest.nonce) == (1, "first")


def test_commit_overrules_a_void() -> None:
    """An attempt that started before a void writes after it."""
    store = MemoryStore()
    commit(store, make_manifest(FILES, nonce="first"), after=0)
    assert void(store, "data", KEY, n=1, reason="damaged", run="r")

    assert commit(store, make_manifest(FILES, nonce="second"), after=0)[0] == 3


def test_a_voided_manifest_is_not_raised_by_its_own_committer() -> None:
    """A committer that repeats itself after a void does not bring back what was voided."""
    store, manifest = MemoryStore(), make_manifest(FILES)
    commit(store, make_manifest({"x": b"1"}, nonce="zero"), after=0)
    void(store, "data", KEY, n=1, reason="r", run=None)
    assert commit(store, manifest, after=0)[0] == 3
    void(store, "data", KEY, n=3, reason="r", run=None)

    assert (3, manifest) == commit(store, manifest, after=0)
    assert standing(store, "data", KEY).n == 4


def test_commit_refuses_what_nobody_could_read() -> None:
    """A manifest whose result is not that of its artifacts never gets into the store."""
    store = MemoryStore()

    with pytest.raises(ManifestError, match="result"):
        commit(store, make_manifest(FILES).but(result="0" * 64), after=0)
    assert store.objects == {}


def test_two_committers_one_stands() -> None:
    """Of many at once all are told the same manifest under the same number."""
    store, gate = MemoryStore(), threading.Barrier(8)

    def one(i: int) -> tuple[int, str]:
        gate.wait()
        n, manifest = commit(store, make_manifest(FILES, nonce=f"m{i}", attempt=i + 1), after=0)
        return n, manifest.nonce

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(one, range(8)))) == 1
    assert len(store.objects) == 1


def test_two_voids_one_record() -> None:
    """Of many who void the same number all succeed, and one record is written."""
    store, gate = MemoryStore(), threading.Barrier(8)
    commit(store, make_manifest(FILES), after=0)

    def one(i: int) -> bool:
        gate.wait()
        return void(store, "data", KEY, n=1, reason=f"because {i}", run=f"r{i}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [True] * 8
    assert standing(store, "data", KEY).n == 2
    assert len(store.objects) == 2


def test_read_manifest_wants_exactly_the_result(tmp_path: Path) -> None:
    """A reference names kind, key, number and result; another result is refused."""
    store = MemoryStore()
    _, manifest = put_result(store, FILES)
    commit(store, manifest, after=0)

    assert manifest == read_manifest(store, manifest.ref(1))
    with pytest.raises(ManifestError, match="expected"):
        read_manifest(store, manifest.ref(1).but(result="0" * 64))
    with pytest.raises(MissingObjectError):
        read_manifest(store, manifest.ref(2))
    void(store, "data", KEY, n=1, reason="r", run=None)
    with pytest.raises(ManifestError, match="void"):
        read_manifest(store, manifest.ref(2))


def test_receive_brings_what_is_handed_on_and_nothing_else(tmp_path: Path) -> None:
    """Plots and reports stay in the store."""
    store = MemoryStore()
    ref, manifest = put_result(store, FILES, kept={"plot.svg": b"<svg/>"})
    commit(store, manifest, after=0)

    receive(store, ref, tmp_path / "data", role="data")

    found = {str(p.relative_to(tmp_path / "data")): p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()}
    assert found == FILES


def test_needs_with_the_same_names_do_not_collide(tmp_path: Path) -> None:
    """Each role has its own folder."""
    store = MemoryStore()
    refs = {}
    for role in ("one", "two"):
        refs[role], manifest = put_result(store, {"a.txt": role.encode()}, key=key_for(role))
        commit(store, manifest, after=0)

    receive_all(store, "script", refs, tmp_path)

    assert ((tmp_path / "one/a.txt").read_bytes(), (tmp_path / "two/a.txt").read_bytes()) == (b"one", b"two")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_any_flipped_byte_is_found(tmp_path: Path, data: st.DataObject, name: str) -> None:
    """Whichever byte of whichever artifact changes, the stage is told need and artifact after a second download."""
    store = MemoryStore()
    ref, manifest = put_result(store, FILES)
    place = "attempts/data/" + KEY + "/1/artifacts/" + name
    position = data.draw(st.integers(0, len(FILES[name]) - 1))
    broken = bytearray(FILES[name])
    broken[position] ^= data.draw(st.integers(1, 255))
    store.write(place, bytes(broken))
    reads: list[str] = []
    store.before = lambda act, key: reads.append(key)

    with pytest.raises(DamagedInputError, match="second download") as caught:
        receive(store, ref, tmp_path, role="the-data", manifest=manifest)

    assert ("the-data", name, 2) == (caught.value.need, caught.value.artifact, reads.count(place))
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b""])
def test_other_sizes_are_found(tmp_path: Path, change: object) -> None:
    """A file that was cut, grew or is empty is damaged."""
    store = MemoryStore()
    ref, manifest = put_result(store, {"a": b"bytes"})
    store.write(f"attempts/data/{KEY}/1/artifacts/a", change(b"bytes"))  # type: ignore[operator]

    with pytest.raises(DamagedInputError, match="bytes instead of 5"):
        receive(store, ref, tmp_path, role="data", manifest=manifest)


def test_a_lost_artifact_is_damage(tmp_path: Path) -> None:
    """An artifact that is not there is re-made like one with wrong bytes."""
    store = MemoryStore()
    manifest = make_manifest(FILES)

    with pytest.raises(DamagedInputError, match="not there") as caught:
        receive(store, manifest.ref(1), tmp_path, role="data", manifest=manifest)
    assert caught.value.artifact == "deep/data.json"


def test_a_second_download_can_be_sound(tmp_path: Path) -> None:
    """Bytes that went wrong on the way only once are no damage."""
    store = MemoryStore()
    ref, manifest = put_result(store, {"a": b"right"})
    place = f"attempts/data/{KEY}/1/artifacts/a"
    store.write(place, b"wrong")
    calls = iter([lambda: None, lambda: store.objects.update({place: (b"right", 0.0, "e")})])
    store.before = lambda act, key: next(calls)()

    receive(store, ref, tmp_path, role="data", manifest=manifest)

    assert (tmp_path / "a").read_bytes() == b"right"


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    """Nothing is written outside of the need's folder through a link that lies in it."""
    store = MemoryStore()
    ref, manifest = put_result(store, {"deep/a": b"x"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "need").mkdir()
    (tmp_path / "need/deep").symlink_to(tmp_path / "outside")

    with pytest.raises(ManifestError, match="link"):
        receive(store, ref, tmp_path / "need", role="data", manifest=manifest)
    assert list((tmp_path / "outside").iterdir()) == []


def test_missing_sees_absence_and_size_by_one_list() -> None:
    """A hit is asked for existence and sizes of what it hands on, and nothing is read."""
    store = MemoryStore()
    _, manifest = put_result(store, FILES, kept={"plot.svg": b"<svg/>"})
    assert missing(store, manifest) == []
    store.delete([f"attempts/data/{KEY}/1/artifacts/plot.svg", f"attempts/data/{KEY}/1/artifacts/train.npz"])
    store.write(f"attempts/data/{KEY}/1/artifacts/deep/data.json", b"{ }")
    acts: list[str] = []
    store.before = lambda act, key: acts.append(act)

    assert (missing(store, manifest), acts) == (["deep/data.json", "train.npz"], ["list"])


def test_the_result_does_not_depend_on_what_is_kept() -> None:
    """Reports beside a result change no key."""
    assert make_manifest(FILES).result == make_manifest(FILES, kept={"report.json": b"1"}).result
    assert isinstance(make_manifest(FILES), Manifest)
