"""What gc may remove: decided from facts, so every promise is held against hand-made and generated ones."""

from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from lading.launch.gc import AttemptFact, Decision, Facts, Policy, RecordFact, RunFact, decide
from lading.manifest.model import Manifest, Void
from lading.names import AttemptId
from lading.store.base import Leftover, Stat
from support.gc_results import at, key, manifest

DAY, NOW = 86400.0, 100 * 86400.0
POLICY = Policy(older_than_s=30 * DAY, keep_last=0)


def void(of: Manifest, n: int = 1) -> Void:
    """The record that voids number n."""
    return Void(kind="train", key=of.key, voids=n, nonce="v", reason="why")


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
