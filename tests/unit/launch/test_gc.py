"""What gc may remove: decided from facts, so every promise is held against hand-made and generated ones."""

from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from lading import names
from lading.attempt import tickets
from lading.canonical import canonical_json, sha256_of
from lading.launch import sweep
from lading.launch.gc import AttemptFact, Decision, Facts, Policy, RecordFact, RunFact, decide
from lading.manifest.handoff import commit, standing
from lading.manifest.model import Artifact, InputRef, Manifest, Provenance, Void, result_of
from lading.names import AttemptId, RunPlaces
from lading.store.base import Leftover, Stat
from lading.store.directory import DirectoryStore

DAY, NOW = 86400.0, 100 * 86400.0
POLICY = Policy(older_than_s=30 * DAY, keep_last=0)


def key(name: str) -> str:
    """A key that a test can call by a name."""
    return sha256_of(name)


def manifest(name: str, *, inputs: tuple[Manifest, ...] = (), attempt: int = 1, run: str | None = None, body: str = "") -> Manifest:
    """A result of kind `train` with one artifact."""
    artifacts = {"a.bin": Artifact(path="a.bin", size=1, sha256=sha256_of(name + body))}
    refs = {f"in{i}": given.ref(1) for i, given in enumerate(inputs)}
    made = Provenance(run=run)
    return Manifest(
        kind="train",
        key=key(name),
        attempt=attempt,
        nonce=name,
        inputs=refs,
        artifacts=artifacts,
        result=result_of(artifacts),
        provenance=made,
    )


def void(of: Manifest, n: int = 1) -> Void:
    """The record that voids number n."""
    return Void(kind="train", key=of.key, voids=n, nonce="v", reason="why")


def at(name: str, number: int = 1) -> AttemptId:
    """An attempt at a named key."""
    return AttemptId("train", key(name), number)


def objects(attempt: AttemptId, modified: float = 0.0) -> tuple[Stat, ...]:
    """Everything that an attempt may leave."""
    tails = ("artifacts/a.bin", "checkpoints/5/x", "claim.json", "logs/0/0.log", "outcome-0.json", "progress-0.json", "verdict.json")
    return tuple(Stat(attempt.prefix + tail, 1, modified, "e") for tail in tails)


def run(name: str, age_days: float | None, *mentions: str, pinned: bool = False) -> RunFact:
    """A run that ended some days ago, or goes on."""
    finished = None if age_days is None else NOW - age_days * DAY
    return RunFact(name, "p", finished, pinned, frozenset(mentions), (Stat(f"runs/{name}/run.json", 1, 0.0, "e"),))


def facts(*manifests: Manifest, runs: tuple[RunFact, ...] = (), judged: float | None = None, **more: object) -> Facts:
    """A store with some results, each of attempt 1, made long ago."""
    return Facts(
        now=NOW,
        runs={fact.run: fact for fact in runs},
        records={(found.kind, found.key): (RecordFact(1, found, 0.0),) for found in manifests},
        attempts={at(found.nonce): AttemptFact(judged, objects(at(found.nonce))) for found in manifests},
        **more,  # type: ignore[arg-type]
    )


def dropped(decision: Decision) -> list[str]:
    """The runs that go."""
    return [fact.run for fact in decision.runs]


def test_old_finished_runs_go() -> None:
    """A run goes when it is finished and old; a young, pinned or unfinished one stays, and so do the last of its pipeline."""
    runs = (run("old", 40), run("older", 50), run("young", 5), run("pinned", 90, pinned=True), run("open", None))

    assert dropped(decide(facts(runs=runs), POLICY)) == ["old", "older"]
    assert dropped(decide(facts(runs=runs), replace(POLICY, keep_last=2))) == ["older"]
    assert dropped(decide(facts(runs=runs), replace(POLICY, keep_last=3))) == []


def test_the_run_of_a_champion_stays() -> None:
    """However old: its page says where the model in use comes from."""
    runs = (run("old", 40), run("older", 50))

    assert dropped(decide(replace(facts(runs=runs), champion_runs=frozenset({"older"})), POLICY)) == ["old"]


def test_what_a_kept_run_reaches_stands() -> None:
    """Whatever a kept run's results were made from, however far back, is not voided; what only a dropped run used is."""
    data = manifest("data")
    train = manifest("train", inputs=(data,))
    bundle, other = manifest("bundle", inputs=(train,)), manifest("other", inputs=(data,))
    found = facts(data, train, bundle, other, runs=(run("old", 40, other.key, train.key), run("young", 5, bundle.key)))

    assert decide(found, POLICY).voids == ((("train", other.key), 1),)


@pytest.mark.parametrize("by", ["champion by key", "champion by result", "pinned run", "live run", "made by a live run"])
def test_who_holds_a_result(by: str) -> None:
    """A champion, a pinned run and a run that goes on hold what they name or made, and what that was made from."""
    data = manifest("data")
    train = manifest("train", inputs=(data,), run="r")
    mentions = {"champion by key": train.key, "champion by result": train.result}
    holder = {
        "pinned run": (run("r", 90, train.key, pinned=True),),
        "live run": (run("r2", None, train.key),),
        "made by a live run": (run("r", None),),
    }
    found = facts(data, train, runs=holder.get(by, ()), champions=frozenset([mentions[by]] if by in mentions else []))

    assert decide(found, POLICY) == Decision()
    assert len(decide(replace(found, runs={}, champions=frozenset()), POLICY).voids) == 2


def test_young_results_are_not_voided() -> None:
    """A result that is younger than the runs that go may be one that a run is about to find."""
    train = manifest("train")
    found = replace(facts(train), records={("train", train.key): (RecordFact(1, train, NOW - 5 * DAY),)})

    assert decide(found, POLICY).voids == ()


def test_bytes_go_a_grace_after_the_void() -> None:
    """A voided result's bytes go when the void is older than the grace, its claim and verdict stay: the number is not given again."""
    train = manifest("train")
    for age, goes in ((3599, False), (3601, True)):
        records = (RecordFact(1, train, 0.0), RecordFact(2, void(train), NOW - age))
        found = replace(facts(train, runs=(run("r", None, train.key),)), records={("train", train.key): records})
        gone = [stat.key.removeprefix(at("train").prefix) for stat in decide(found, POLICY).attempts.get(at("train"), ())]

        assert gone == (["artifacts/a.bin", "checkpoints/5/x", "logs/0/0.log", "progress-0.json"] if goes else [])


def test_a_champions_bytes_stay_though_voided() -> None:
    """--force voids a result that a champion or a pinned run still needs: its bytes stay."""
    train = manifest("train")
    records = (RecordFact(1, train, 0.0), RecordFact(2, void(train), 0.0))
    found = replace(facts(train), records={("train", train.key): records})

    assert decide(replace(found, champions=frozenset([train.result])), POLICY).attempts == {}
    assert decide(replace(found, runs={"r": run("r", 90, train.key, pinned=True)}), POLICY).attempts == {}
    assert len(decide(found, POLICY).attempts) == 1


def test_failed_attempts_keep_what_another_may_need() -> None:
    """Of a failed attempt goes what it made; its training states only when its key has a result, its logs when no run reaches it."""
    train = manifest("train", attempt=2)

    def gone(judged: float | None, *runs: RunFact, stands: bool) -> list[str]:
        records = {("train", train.key): (RecordFact(1, train, 0.0),)} if stands else {}
        found = Facts(NOW, {fact.run: fact for fact in runs}, records, {at("train"): AttemptFact(judged, objects(at("train")))})
        return [stat.key.removeprefix(at("train").prefix).split("/")[0] for stat in decide(found, POLICY).attempts.get(at("train"), ())]

    user = run("r", 5, train.key)
    assert gone(None, user, stands=True) == []
    assert gone(NOW - 3599, user, stands=True) == []
    assert gone(NOW - 3601, user, stands=False) == ["artifacts"]
    assert gone(NOW - 3601, user, stands=True) == ["artifacts", "checkpoints"]
    assert gone(NOW - 3601, stands=False) == ["artifacts"]
    assert gone(NOW - 40 * DAY, stands=False) == ["artifacts", "checkpoints", "logs", "progress-0.json"]


def test_user_files_in_use_stay() -> None:
    """A user file goes when no run that is kept names it and it is old."""
    files = {key("used"): Stat(f"files/{key('used')}", 1, 0.0, "e"), key("free"): Stat(f"files/{key('free')}", 1, 0.0, "e")}
    files[key("young")] = Stat(f"files/{key('young')}", 1, NOW - DAY, "e")
    found = facts(runs=(run("young", 5, key("used")), run("old", 40, key("free"))), files=files)

    assert [stat.key for stat in decide(found, POLICY).files] == [f"files/{key('free')}"]


def test_uploads_of_attempts_that_may_live_stay() -> None:
    """An unfinished upload is ended a grace after it began, unless its attempt has neither verdict nor result."""
    train = manifest("train")
    uploads = (
        Leftover("", "temp", 0.0),
        Leftover("", "young", NOW - 10),
        Leftover(at("train").artifacts + "b", "done", 0.0),
        Leftover(at("train", 2).artifacts + "b", "judged", 0.0),
        Leftover(at("train", 3).artifacts + "b", "lives", 0.0),
    )
    found = facts(train, runs=(run("r", 5, train.key),), leftovers=uploads)
    found = replace(found, attempts={**found.attempts, at("train", 2): AttemptFact(NOW - 10), at("train", 3): AttemptFact()})

    assert [leftover.token for leftover in decide(found, POLICY).leftovers] == ["temp", "done", "judged"]


def test_a_refused_record_is_left_alone() -> None:
    """What can't be read can't be judged: neither its record nor any attempt at its key is touched."""
    train = manifest("train")
    found = replace(facts(train, judged=0.0), records={("train", train.key): (RecordFact(1, None, 0.0),)})

    assert decide(found, POLICY) == Decision()


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.data())
def test_gc_never_takes_what_lives(data: st.DataObject) -> None:
    """Whatever the graph, the ages and the policy: nothing reached is voided, no unjudged attempt without a voided result loses a byte."""
    made: list[Manifest] = []
    for index in range(data.draw(st.integers(0, 6))):
        given = [found for found in made if data.draw(st.booleans())]
        made.append(manifest(f"m{index}", inputs=tuple(given)))
    ages = st.floats(0, 100)
    chosen = st.lists(st.sampled_from([found.key for found in made]), max_size=3) if made else st.just([])
    runs = {f"r{i}": run(f"r{i}", data.draw(st.none() | ages), *data.draw(chosen), pinned=data.draw(st.booleans())) for i in range(3)}
    records, attempts = {}, {}
    for found in made:
        facts_of = [RecordFact(1, found, NOW - data.draw(ages) * DAY)]
        if data.draw(st.booleans()):
            facts_of.append(RecordFact(2, void(found), NOW - data.draw(ages) * DAY))
        records["train", found.key] = tuple(facts_of)
        for number in (1, 2):
            attempts[at(found.nonce, number)] = AttemptFact(
                data.draw(st.none() | ages.map(lambda age: NOW - age * DAY)), objects(at(found.nonce, number))
            )
    policy = Policy(data.draw(ages) * DAY, data.draw(st.integers(0, 3)))
    decision = decide(Facts(NOW, runs, records, attempts), policy)

    gone = set(dropped(decision))
    by_key = {found.key: found for found in made}
    todo, reached = [k for fact in runs.values() if fact.run not in gone for k in fact.mentions], set()
    while todo:
        if (one := todo.pop()) not in reached:
            reached.add(one)
            todo += [ref.key for ref in by_key[one].inputs.values()]
    assert not {node[1] for node, _ in decision.voids} & reached
    for attempt, stats in decision.attempts.items():
        voided = len(records["train", attempt.key]) == 2 and attempt.number == 1
        assert voided or (attempts[attempt].judged is not None and attempt.number == 2)
        assert not [stat for stat in stats if stat.key.endswith(("claim.json", "verdict.json", "outcome-0.json"))]
    assert not [name for name in gone if runs[name].finished is None or runs[name].pinned]


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
