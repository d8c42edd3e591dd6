"""What gc takes out of a store: what it said before, and nothing that a run names meanwhile."""

from pathlib import Path

import pytest

from lading import names
from lading.attempt import tickets
from lading.canonical import canonical_json
from lading.launch import sweep
from lading.launch.gc import Decision, Policy, decide
from lading.manifest.handoff import commit, standing
from lading.manifest.model import InputRef
from lading.names import RunPlaces
from lading.store.directory import DirectoryStore
from support.gc_results import at, key, manifest

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A store with one old run over two results, and a young one over the first."""
    store = DirectoryStore(tmp_path / "store")
    data = manifest("data")
    for found in (data, manifest("train", inputs=(data,))):
        store.write(at(found.nonce).claim, b"{}", if_absent=True)
        store.write(at(found.nonce).artifacts + "a.bin", b"x")
        commit(store, found, after=0)
    store.write(names.user_file(key("file")), b"x")
    for name, mentions in (("old", [key("data"), key("train"), key("file")]), ("young", [key("data")])):
        store.write(RunPlaces(name).plan, canonical_json({"keys": mentions}))
        store.write(RunPlaces(name).end, canonical_json({"pipeline": name}))
    return store


def test_a_dry_run_changes_nothing(store: DirectoryStore) -> None:
    """A dry run says what it would do, and every object stays as it is."""
    before, said = list(store.list("")), []
    decision = sweep.collect(store, Policy(-1.0, 0, -1.0), dry_run=True, say=said.append)

    assert said == decision.lines()
    assert any("drop run old" in line for line in said)
    assert any("user file" in line for line in said)
    assert (list(store.list("")), list(store.leftovers(9e12))) == (before, [])


def test_gc_does_what_it_said_and_then_has_nothing_left_to_do(store: DirectoryStore) -> None:
    """The first gc drops and voids, the next deletes the bytes, the third finds nothing; what the pinned run needs is whole."""
    sweep.pin(store, "young")
    policy = Policy(-1.0, 0, -1.0)
    first = sweep.collect(store, policy)
    assert ([fact.run for fact in first.runs], [node[1] for node, _ in first.voids]) == (["old"], [key("train")])
    assert store.read(at("train").artifacts + "a.bin") == b"x"
    assert standing(store, "train", key("train")).void

    assert list(sweep.collect(store, policy).attempts) == [at("train")]
    assert sweep.collect(store, policy) == Decision()
    left = [stat.key for stat in store.list("")]
    assert at("data").artifacts + "a.bin" in left
    assert (at("train").claim in left, at("train").artifacts + "a.bin" in left, names.user_file(key("file")) in left) == (
        True,
        False,
        False,
    )
    assert standing(store, "train", key("data")).manifest

    sweep.unpin(store, "young")
    assert [fact.run for fact in sweep.collect(store, policy).runs] == ["young"]


def test_a_file_that_a_new_run_names_meanwhile_stays(store: DirectoryStore) -> None:
    """A run that began between the survey and the deletion, and found its file there, keeps it."""
    decision = decide(sweep.survey(store), Policy(-1.0, 0, -1.0))
    assert decision.files
    store.write(RunPlaces("new").plan, canonical_json({"files": [key("file")]}))
    sweep.act(store, decision)

    assert store.read(names.user_file(key("file"))) == b"x"


def test_champions_hold_their_lineage(store: DirectoryStore) -> None:
    """The champion and the one before it hold what they name; older entries hold nothing."""
    ref = InputRef(kind="train", key=key("train"), n=1, result=manifest("train").result)
    for n in (1, 2, 3):
        store.write(f"champions/m/production/{n}.json", canonical_json({"bundle": ref.to_data() if n == 2 else None}), if_absent=True)
    assert decide(sweep.survey(store), Policy(-1.0, 0, -1.0)).voids == ()

    store.write("champions/m/production/4.json", b"{}", if_absent=True)
    assert [node[1] for node, _ in decide(sweep.survey(store), Policy(-1.0, 0, -1.0)).voids] == sorted([key("data"), key("train")])


def test_tickets_and_runners_of_old_go(store: DirectoryStore) -> None:
    """A ticket goes when it is old and its attempt is judged, its key has a result, its run has ended or is gone; else it stays, as does
    one that another version of lading wrote. What runners said of themselves goes when it is old."""
    waits = {"judged": "open", "data": "open", "ended": "old", "gone": "never", "waits": "open", "kept": "open"}
    store.write(RunPlaces("open").plan, b"{}")
    store.write(at("judged").verdict, b"{}")
    for name, run_ in waits.items():
        tickets.offer(store, tickets.Ticket(platform="any", kind="train", key=key(name), attempt=1, job={"run": run_}))
    store.write(names.ticket("macos", at("strange")), b'{"schema": "lading/ticket/v9"}')
    store.write(names.runner("mac"), b"{}")
    young = decide(sweep.survey(store), Policy(older_than_s=3600, keep_last=9, grace_s=0))
    assert young.scraps == ()

    gone = decide(sweep.survey(store), Policy(older_than_s=-1, keep_last=9, grace_s=-1))
    assert {stat.key for stat in gone.scraps} == {
        names.runner("mac"),
        *(names.ticket("any", at(name)) for name in ("judged", "data", "ended", "gone")),
    }
    sweep.act(store, gone)
    assert {one.id for one in tickets.offered(store, "any")} == {at("waits"), at("kept")}
    assert [stat.key for stat in store.list("tickets/macos/")] == [names.ticket("macos", at("strange"))]


def test_what_a_runner_says_meanwhile_stays(store: DirectoryStore) -> None:
    """A grace of an hour holds whatever the limit: --older-than 0s takes no word away from a runner that lives."""
    store.write(names.runner("mac"), b"{}")

    assert decide(sweep.survey(store), Policy(older_than_s=0)).scraps == ()
