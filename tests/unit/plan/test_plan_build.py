"""The plan: hits, misses with their reasons, and what waits."""

import json

import pytest

from lading.config.loader import from_data
from lading.errors import NotFoundError, UserError
from lading.manifest.handoff import commit, void
from lading.names import AttemptId
from lading.plan.build import Plan, build, ready
from lading.plan.selection import Selection
from support.memory_store import MemoryStore
from support.results import put_result


def script(*needs: str, word: str = "x") -> dict:
    """A script stage."""
    return {"kind": "script", "needs": list(needs), "settings": {"command": ["echo", word]}}


CHAIN = {"a": script(), "b": script("a"), "c": script("b"), "side": script()}


def pipeline(stages: dict | None = None, **changes: dict):
    """A pipeline of scripts."""
    return from_data({"pipeline": "demo", "stages": {**(stages or CHAIN), **changes}}, folder=".")


def run(store, one, *, upto: int = 99, files: dict[str, bytes] | None = None) -> Plan:
    """Makes what a plan lacks, stage after stage."""
    for number in range(upto):
        plan = build(one, store)
        todo = [stage for stage in plan.stages.values() if stage.state == "miss"]
        if not todo:
            break
        stage = todo[0]
        data = (files or {}).get(stage.name, stage.name.encode())
        _, manifest = put_result(store, {"out.txt": data}, kind=stage.kind, key=stage.key, nonce=f"n{number}-{stage.name}")
        commit(store, manifest, after=0)
    return build(one, store)


def states(plan: Plan) -> dict[str, str]:
    """Stage to state."""
    return {name: stage.state for name, stage in plan.stages.items()}


def test_a_key_behind_a_miss_is_not_known():
    """The first stage is a miss; what is behind it waits, and says for whom."""
    plan = build(pipeline(), MemoryStore())

    assert states(plan) == {"a": "miss", "b": "waits", "c": "waits", "side": "miss"}
    assert (plan.stages["b"].key, plan.stages["b"].why) == (None, "waits for a")
    assert plan.stages["a"].why == "not made before"


def test_results_that_are_there_are_hits():
    """Once all is made, all is a hit, and `ready` agrees with the plan on every key."""
    store = MemoryStore()
    plan = run(store, pipeline())

    assert set(states(plan).values()) == {"hit"}
    for name, stage in plan.stages.items():
        assert ready(plan.pipeline, name, plan.results) == stage.key


def test_a_plan_writes_nothing_and_lists_once():
    """All hits: one LIST of manifests, and one read for each."""
    store = MemoryStore()
    run(store, pipeline())
    acts = []
    store.before = lambda act, key: acts.append((act, key))
    build(pipeline(), store)

    assert {act for act, _ in acts} == {"list", "read"}
    assert [key for act, key in acts if act == "list"] == ["manifests/"]
    assert len(acts) == 4  # a and side are the same stage by content: one read


def test_the_same_bytes_again_change_nothing_behind():
    """A need that is made again with the same bytes leaves the next stage a hit."""
    store = MemoryStore()
    run(store, pipeline())
    changed = pipeline(a=script(word="y"))
    plan = run(store, changed, files={"a": b"a"}, upto=1)

    assert states(plan) == {"a": "hit", "b": "hit", "c": "hit", "side": "hit"}


def with_run(store, plan: Plan, run_id: str = "20260101T000000Z-1") -> None:
    """Writes plan.json as a launcher does."""
    store.write(f"runs/{run_id}/plan.json", json.dumps(plan.to_data()).encode())


def test_a_miss_says_which_field_changed():
    """Old value and new value, against the newest run of the same pipeline."""
    store = MemoryStore()
    with_run(store, run(store, pipeline()))
    other = build(from_data({"pipeline": "other", "stages": CHAIN}, folder="."), store)
    with_run(store, other, "20260102T000000Z-1")
    plan = build(pipeline(b=script("a", word="y")), store)

    assert states(plan) == {"a": "hit", "b": "miss", "c": "waits", "side": "hit"}
    assert plan.stages["b"].why == "settings.command[1]: x → y"
    assert (plan.stages["b"].changes[0].before, plan.stages["b"].changes[0].after) == ("x", "y")


def test_a_miss_says_that_an_input_is_another_result():
    """The need's own settings changed its bytes: that is the reason behind it."""
    store = MemoryStore()
    with_run(store, run(store, pipeline()))
    plan = run(store, pipeline(a=script(word="y")), files={"a": b"other"}, upto=1)

    assert plan.stages["b"].state == "miss"
    assert plan.stages["b"].why.startswith("its a is another result (")


def test_force_and_voids():
    """A forced stage is a miss that names the record to overrule; a void is told with its reason."""
    store = MemoryStore()
    run(store, pipeline())
    forced = build(pipeline(), store, selection=Selection.of(force=["b"]))
    void(store, "script", forced.stages["b"].key, n=1, reason="the disk was bad", run="r")
    voided = build(pipeline(), store)

    assert (forced.stages["b"].why, forced.stages["b"].overrule) == ("forced", 1)
    assert states(forced) == {"a": "hit", "b": "miss", "c": "waits", "side": "hit"}
    assert (voided.stages["b"].why, voided.stages["b"].overrule) == ("voided: the disk was bad", None)


def test_a_hit_is_looked_at_only_if_a_stage_about_to_run_consumes_it():
    """Bytes that are gone make a hit a miss, where they are needed; elsewhere nobody looks."""
    store = MemoryStore()
    plan = run(store, pipeline())
    store.delete([AttemptId("script", plan.stages["b"].key, 1).artifacts + "out.txt"])

    assert set(states(build(pipeline(), store)).values()) == {"hit"}
    needed = build(pipeline(c=script("b", word="y")), store)
    assert states(needed) == {"a": "hit", "b": "miss", "c": "waits", "side": "hit"}
    assert (needed.stages["b"].why, needed.stages["b"].overrule) == ("its artifact out.txt is not in the store any more", 1)


def test_a_record_that_is_refused_is_a_miss_that_must_be_overruled():
    """Garbage under a key is told, and stands for nothing."""
    store = MemoryStore()
    key = build(pipeline(), store).stages["a"].key
    store.write(f"manifests/script/{key}/3.json", b"{}")
    stage = build(pipeline(), store).stages["a"]

    assert (stage.state, stage.overrule) == ("miss", 3)
    assert "is refused" in stage.why


def test_only_and_until_choose_stages():
    """--until takes what it needs along; --only says when something is missing."""
    store = MemoryStore()
    until = build(pipeline(), store, selection=Selection.of(until="b"))

    assert {name for name, stage in until.stages.items() if stage.selected} == {"a", "b"}
    with pytest.raises(UserError, match="b needs a, whose result is not there, and --only leaves a out"):
        build(pipeline(), store, selection=Selection.of(only=["b"]))
    run(store, pipeline(), upto=1)
    assert build(pipeline(), store, selection=Selection.of(only=["b"])).stages["b"].state == "miss"
    with pytest.raises(NotFoundError, match="no stage 'd'"):
        build(pipeline(), store, selection=Selection.of(force=["d"]))


def test_a_pin_is_the_result_that_it_names():
    """`from:` takes a result as it is, whatever the settings say; one that is not there is the user's mistake."""
    store = MemoryStore()
    key = run(store, pipeline()).stages["a"].key
    pinned = pipeline(a={"kind": "script", "from": f"script/{key}"})

    assert set(states(build(pinned, store)).values()) == {"hit"}
    with pytest.raises(UserError, match="that result is not there"):
        build(pipeline(a={"kind": "script", "from": f"script/{'a' * 64}"}), store)


def test_a_plan_survives_json():
    """What is written as plan.json is read again as the same plan."""
    plan = build(pipeline(), MemoryStore())

    assert Plan.model_validate(json.loads(json.dumps(plan.to_data()))) == plan


def test_a_thousand_hits_are_planned_with_a_read_each():
    """All results of a thousand stages are found (bench/hits.py says how fast)."""
    store = MemoryStore()
    stages = {f"s{i}": script(*([f"s{i - 1}"] if i % 50 else []), word=str(i)) for i in range(1000)}
    big = pipeline(stages)
    plan = build(big, store)
    results = {}
    for name in plan.pipeline.stages:
        ref, manifest = put_result(store, {"o": name.encode()}, kind="script", key=ready(plan.pipeline, name, results))
        commit(store, manifest, after=0)
        results[name] = ref
    plan = build(big, store)

    assert set(states(plan).values()) == {"hit"}
