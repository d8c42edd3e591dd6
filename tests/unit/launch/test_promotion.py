"""Champions: an append-only history in which nobody is overwritten unseen."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lading.errors import ManifestError, NotFoundError, StageFailedError, UserError
from lading.launch.promotion import current, fulfil, history, promote, rollback, seen_champions
from lading.manifest.champion import Champion, every, highest
from lading.manifest.model import InputRef
from support.memory_store import MemoryStore
from support.results import key_for

M = {"model": "digits", "alias": "production"}


def bundle(name: str) -> InputRef:
    """A bundle's result."""
    return InputRef(kind="bundle", key=key_for(name), n=1, result=key_for("result " + name))


def test_the_first_champion_and_the_next() -> None:
    """Each promotion is a new entry, the newest speaks."""
    store = MemoryStore()
    assert current(store, "digits", "production") is None

    promote(store, bundle("a"), **M, seen=0, run="r1")
    promote(store, bundle("b"), **M, seen=1, run="r2")

    now = current(store, "digits", "production")
    assert now is not None
    assert (2, bundle("b"), "r2") == (now.n, now.bundle, now.run)
    assert [entry.n for entry in history(store, "digits", "production")] == [2, 1]
    assert every(store) == {("digits", "production"): 2}


def test_promoting_over_an_unseen_champion_fails_and_names_it() -> None:
    """A run that was planned before another's promotion does not undo it."""
    store = MemoryStore()
    promote(store, bundle("a"), **M, seen=0, run="r1")

    with pytest.raises(StageFailedError, match=r"entry 1 .*by run r1"):
        promote(store, bundle("b"), **M, seen=0, run="r2")
    assert highest(store, "digits", "production") == 1


def test_a_run_promotes_a_bundle_once() -> None:
    """A restarted launcher finds its own entry, also when others have followed."""
    store = MemoryStore()
    first = promote(store, bundle("a"), **M, seen=0, run="r1")

    assert first == promote(store, bundle("a"), **M, seen=0, run="r1")
    promote(store, bundle("b"), **M, seen=1, run="r2")
    assert first == promote(store, bundle("a"), **M, seen=0, run="r1")
    assert highest(store, "digits", "production") == 2


def test_the_same_bundle_by_another_run_is_another_entry() -> None:
    """Every run that promotes leaves its entry, so the history says who did."""
    store = MemoryStore()
    promote(store, bundle("a"), **M, seen=0, run="r1")

    assert promote(store, bundle("a"), **M, seen=1, run="r2").n == 2


def test_two_at_once_one_wins_and_the_other_is_told() -> None:
    """Of eight runs that saw the same champion one promotes, seven are told who."""
    store, gate = MemoryStore(), threading.Barrier(8)

    def one(i: int) -> str:
        gate.wait()
        try:
            return promote(store, bundle(str(i)), **M, seen=0, run=f"r{i}").run
        except StageFailedError as error:
            return error.message

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(one, range(8)))
    now = current(store, "digits", "production")
    assert now is not None
    assert [now.run] == [word for word in said if word.startswith("r")]
    assert sum(f"by run {now.run}," in word for word in said) == 7
    assert len(store.objects) == 1


def test_two_launchers_of_one_run_agree() -> None:
    """Two launchers that share a run both succeed, with one entry."""
    store, gate = MemoryStore(), threading.Barrier(4)

    def one(_: int) -> Champion:
        gate.wait()
        return promote(store, bundle("a"), **M, seen=0, run="r1")

    with ThreadPoolExecutor(4) as pool:
        assert len({entry.nonce for entry in pool.map(one, range(4))}) == 1


def test_rollback_is_a_new_entry() -> None:
    """Going back keeps the history, and goes to the newest earlier entry with another bundle."""
    store = MemoryStore()
    for n, name in enumerate(["a", "b", "b"]):
        promote(store, bundle(name), **M, seen=n, run=f"r{n}")

    entry = rollback(store, **M, run="ann")
    again = rollback(store, **M, run="ann", to=2)

    assert (4, bundle("a"), "rollback") == (entry.n, entry.bundle, entry.act)
    assert (5, bundle("b"), "back to entry 2") == (again.n, again.bundle, again.reason)


def test_rollback_needs_somewhere_to_go() -> None:
    """Without an earlier bundle, an unknown entry, or any champion at all: a sentence."""
    store = MemoryStore()
    with pytest.raises(NotFoundError, match="no champion"):
        rollback(store, **M, run="ann")
    promote(store, bundle("a"), **M, seen=0, run="r1")
    with pytest.raises(NotFoundError, match="no earlier entry"):
        rollback(store, **M, run="ann")
    with pytest.raises(NotFoundError, match="no entry 7"):
        rollback(store, **M, run="ann", to=7)


def test_a_run_that_was_planned_before_a_rollback_fails() -> None:
    """A rollback counts as a newer champion: an old run does not bring back what was rolled back."""
    store = MemoryStore()
    promote(store, bundle("a"), **M, seen=0, run="r1")
    promote(store, bundle("b"), **M, seen=1, run="r2")
    rollback(store, **M, run="ann")

    with pytest.raises(StageFailedError, match="rollback"):
        promote(store, bundle("c"), **M, seen=2, run="r3")


@pytest.mark.parametrize("name", ["../x", "", "A", "a/b", ".a", "a" * 64, "a\n"])
def test_names_that_would_escape_are_refused(name: str) -> None:
    """Models and aliases are plain names."""
    with pytest.raises(UserError, match="name of a champion"):
        current(MemoryStore(), name, "production")
    with pytest.raises(UserError, match="name of a champion"):
        promote(MemoryStore(), bundle("a"), model="digits", alias=name, seen=0, run="r")


def test_only_bundles_are_promoted() -> None:
    """A training's result is no bundle."""
    with pytest.raises(NotFoundError, match="no bundle"):
        promote(MemoryStore(), bundle("a").but(kind="train"), **M, seen=0, run="r")


def test_an_entry_that_lies_elsewhere_is_refused() -> None:
    """An entry says which it is."""
    store = MemoryStore()
    entry = promote(store, bundle("a"), **M, seen=0, run="r1")
    store.write("champions/digits/production/2.json", entry.to_bytes())

    with pytest.raises(ManifestError, match="entry 1"):
        current(store, "digits", "production")


def test_the_stage_is_fulfilled_by_its_launcher() -> None:
    """What a promote stage's settings name is promoted over the champion that the plan saw."""
    from lading.config.pipeline import Pipeline, Stage
    from lading.config.settings.promote import PromoteSettings

    store = MemoryStore()
    stage = Stage(name="promote", kind="promote", needs={"bundle": "bundle"}, settings=PromoteSettings(model="digits", alias="staging"))
    pipeline = Pipeline(pipeline="digits", stages={"promote": stage})
    seen = seen_champions(store, pipeline)

    entry = fulfil(store, stage.settings.to_data(), bundle("a"), seen=seen["promote"], run="r1")

    assert (seen, entry.alias, entry.n) == ({"promote": 0}, "staging", 1)
    assert seen_champions(store, pipeline) == {"promote": 1}


def test_who_comes_between_look_and_write_wins() -> None:
    """Another's entry that appears just before ours is written stands, and is named: nothing is overwritten."""
    store, other = MemoryStore(), MemoryStore()
    rival = promote(other, bundle("rival"), **M, seen=0, run="rival")

    def between(act: str, key: str) -> None:
        if act == "write":
            store.objects.update(other.objects)

    store.before = between
    with pytest.raises(StageFailedError, match="by run rival"):
        promote(store, bundle("a"), **M, seen=0, run="r1")
    assert rival == current(store, "digits", "production")


def test_a_hole_in_the_history_is_not_filled() -> None:
    """An old number that is free again is no champion's place: a higher entry speaks, and is named."""
    store = MemoryStore()
    for n in range(3):
        promote(store, bundle(str(n)), **M, seen=n, run=f"r{n}")
    store.delete(["champions/digits/production/1.json"])

    with pytest.raises(StageFailedError, match="entry 3"):
        promote(store, bundle("late"), **M, seen=0, run="late")
    with_hole = [entry.n for entry in history(store, "digits", "production")]
    assert with_hole == [3, 2]
