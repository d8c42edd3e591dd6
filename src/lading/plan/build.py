"""The plan: for each stage its key, whether its result is there, and why not. A frozen value that prints; making it writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lading.config.pipeline import Pipeline, Stage
from lading.errors import UserError
from lading.frozen import Frozen
from lading.manifest.handoff import missing
from lading.manifest.model import InputRef, Manifest, Void
from lading.plan.fingerprint import Fingerprint, parts
from lading.plan.key import Ingredients, outside_of, semantic
from lading.plan.records import Records
from lading.plan.resolve import named
from lading.plan.selection import ALL, Selection
from lading.plan.why import Change, changes, ingredients_before, previous_plan, told
from lading.store.base import Store

State = Literal["hit", "miss", "waits"]
Fingerprints = Callable[[str], Fingerprint]
"""Kind to fingerprint: of this machine, or of the images in which the stages will run."""
ALWAYS = frozenset({"promote"})
"""Kinds that are no hits by their key: they act."""


class PlannedStage(Frozen):
    """What will become of one stage."""

    name: str
    kind: str
    key: str | None = None
    """None while a need's result is not known."""
    state: State
    why: str = ""
    waits_for: tuple[str, ...] = ()
    ref: InputRef | None = None
    """The result that a hit uses."""
    changes: tuple[Change, ...] = ()
    ingredients: Ingredients
    """What the key is made of; inputs as far as they are known."""
    overrule: int | None = None
    """The record that stands in the way of a miss: a launcher writes a void after it, with `why` as its reason, before it claims."""
    selected: bool = True
    """False: --only or --until leave it out; a hit among these is still used."""


class Plan(Frozen):
    """What a run would do."""

    pipeline: Pipeline
    """Resolved."""
    stages: dict[str, PlannedStage]

    @property
    def keys(self) -> dict[str, str]:
        """The keys that are known."""
        return {name: stage.key for name, stage in self.stages.items() if stage.key}

    @property
    def results(self) -> dict[str, InputRef]:
        """Stage to the result that is there."""
        return {name: stage.ref for name, stage in self.stages.items() if stage.ref}


def build(
    pipeline: Pipeline,
    store: Store,
    *,
    selection: Selection = ALL,
    previous: Mapping[str, Any] | None = None,
    fingerprints: Fingerprints = parts,
    records: Records | None = None,
) -> Plan:
    """What a run of a pipeline would do now.

    Args:
        pipeline: resolved or not; files of the user get their digests here, and are not stored.
        store: is only read.
        selection: which stages are asked for.
        previous: the `stages` of the plan that reasons compare with; by default that of the newest run of the pipeline.
        fingerprints: of each kind, where the stages will run.
        records: what the store holds, where it was listed just now.

    Raises:
        UserError: a stage that was named does not exist, or what is asked for can't be done.
    """
    selected = selection.stages(pipeline)
    pipeline = named(pipeline)
    work = _Work(pipeline, records or Records.listed(store), selection.force, selected, fingerprints)
    stages = work.settle(store)
    _check_selection(stages, pipeline)
    misses = [stage for stage in stages.values() if stage.state == "miss" and not stage.why]
    if misses:
        before = previous if previous is not None else previous_plan(store, pipeline.pipeline)
        for stage in misses:
            stages[stage.name] = _explained(stage, before)
    return Plan(pipeline=pipeline, stages=stages)


def ingredients(pipeline: Pipeline, stage: str, results: Mapping[str, InputRef], fingerprints: Fingerprints = parts) -> Ingredients:
    """What a stage's key is made of; `results` is stage to result, of its needs that are known."""
    return _ingredients(pipeline.stages[stage], results, fingerprints)


def ready(pipeline: Pipeline, stage: str, results: Mapping[str, InputRef], fingerprints: Fingerprints = parts) -> str:
    """The key of a stage of a resolved pipeline whose needs all have results.

    Args:
        pipeline: `Plan.pipeline`.
        stage: its name.
        results: stage to result.
        fingerprints: as for `build`.
    """
    one = pipeline.stages[stage]
    if one.from_:
        return one.from_.partition("/")[2]
    if unknown := sorted(set(one.needs.values()) - set(results)):
        raise ValueError(f"{stage} waits for {', '.join(unknown)}")
    return _ingredients(one, results, fingerprints).key


def _ingredients(stage: Stage, results: Mapping[str, InputRef], fingerprints: Fingerprints) -> Ingredients:
    found = fingerprints(stage.kind)
    return Ingredients.model_construct(
        kind=stage.kind,
        settings=semantic(stage),
        fingerprint=found.digest,
        code=found.code,
        libraries=dict(found.libraries),
        inputs={role: results[need].result for role, need in stage.needs.items() if need in results},
        outside=outside_of(stage),
    )


@dataclass(slots=True)
class _Work:
    """Walks the stages until no hit that is consumed turns out to be hollow."""

    pipeline: Pipeline
    records: Records
    force: frozenset[str]
    selected: frozenset[str]
    fingerprints: Fingerprints
    hollow: dict[tuple[str, str], str] = field(default_factory=dict)
    sound: set[tuple[str, str]] = field(default_factory=set)

    def settle(self, store: Store) -> dict[str, PlannedStage]:
        """The planned stages. Only what a stage about to run consumes is looked at in the store, by one LIST each."""
        while True:
            stages = self._walk()
            found = False
            for name in self._consumed(stages):
                ref = stages[name].ref
                assert ref is not None
                place = (ref.kind, ref.key)
                record = self.records.get(place).record
                if place in self.sound or not isinstance(record, Manifest):
                    continue
                if gone := missing(store, record):
                    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
                    self.hollow[place], found = f"its artifact {gone[0]}{more} is not in the store any more", True
                self.sound.add(place)
            if not found:
                return stages

    def _consumed(self, stages: Mapping[str, PlannedStage]) -> list[str]:
        running = [name for name, stage in stages.items() if stage.state != "hit" and name in self.selected]
        needs = dict.fromkeys(need for name in running for need in self.pipeline.stages[name].needs.values())
        return [need for need in needs if stages[need].state == "hit"]

    def _walk(self) -> dict[str, PlannedStage]:
        """Stages in their order, by layers: what a layer needs is read in one go."""
        done: dict[str, PlannedStage] = {}
        results: dict[str, InputRef] = {}
        todo = list(self.pipeline.stages)
        while todo:
            layer = [name for name in todo if all(need in done for need in self.pipeline.stages[name].needs.values())]
            known = {name: self._known(self.pipeline.stages[name], results) for name in layer}
            self.records.fetch((self.pipeline.stages[name].kind, key) for name, (_, key) in known.items() if key)
            for name in layer:
                done[name] = self._one(self.pipeline.stages[name], *known[name], done)
                if (ref := done[name].ref) is not None:
                    results[name] = ref
            todo = [name for name in todo if name not in done]
        return {name: done[name] for name in self.pipeline.stages}

    def _known(self, stage: Stage, results: Mapping[str, InputRef]) -> tuple[Ingredients, str | None]:
        made_of = _ingredients(stage, results, self.fingerprints)
        if stage.from_:
            return made_of, stage.from_.partition("/")[2]
        return made_of, made_of.key if all(need in results for need in stage.needs.values()) else None

    def _one(self, stage: Stage, made_of: Ingredients, key: str | None, done: Mapping[str, PlannedStage]) -> PlannedStage:
        base: dict[str, Any] = {"name": stage.name, "kind": stage.kind, "ingredients": made_of, "selected": stage.name in self.selected}
        if key is None:
            waits = tuple(dict.fromkeys(need for need in stage.needs.values() if done[need].ref is None))
            return PlannedStage.model_construct(**base, state="waits", waits_for=waits, why=f"waits for {', '.join(waits)}")
        found = self.records.get((stage.kind, key))
        why, overrule = self._against(stage, key)
        if isinstance(found.record, Manifest) and not why:
            said = "pinned" if stage.from_ else "made before, of the same settings, code and inputs"
            return PlannedStage.model_construct(**base, key=key, state="hit", ref=found.record.ref(found.n), why=said)
        if stage.from_:
            raise UserError(
                f"stage {stage.name} is pinned to {stage.from_}, and that result is not there{': ' + why if why else ''}",
                do="pin it to a result that exists (lading show RUN), or drop its `from:`",
            )
        return PlannedStage.model_construct(**base, key=key, state="miss", why=why, overrule=overrule)

    def _against(self, stage: Stage, key: str) -> tuple[str, int | None]:
        """Why a stage's record does not count, and its number where it must be voided first; empty if it counts or there is none."""
        found = self.records.get((stage.kind, key))
        if found.problem:
            return found.problem, found.n
        if isinstance(found.record, Void):
            return f"voided: {found.record.reason}", None
        if stage.kind in ALWAYS:
            return f"{stage.kind} is done by every run", None
        if not isinstance(found.record, Manifest):
            return "", None
        if stage.name in self.force:
            return "forced", found.n
        if gone := self.hollow.get((stage.kind, key)):
            return gone, found.n
        return "", None


def _check_selection(stages: Mapping[str, PlannedStage], pipeline: Pipeline) -> None:
    """A stage that is to run needs results that are there, or that this run makes."""
    for name, stage in stages.items():
        if not stage.selected or stage.state == "hit":
            continue
        for need in pipeline.stages[name].needs.values():
            if stages[need].state != "hit" and not stages[need].selected:
                said = f"{name} needs {need}, whose result is not there, and --only leaves {need} out"
                raise UserError(said, do=f"--until {name}, or add --only {need}")


def _explained(stage: PlannedStage, previous: Mapping[str, Any]) -> PlannedStage:
    """A miss with its reason."""
    before = ingredients_before(previous, stage.name)
    if before is None or before.kind != stage.kind:
        return stage.but(why="not made before")
    found = changes(before, stage.ingredients)
    if found:
        return stage.but(why=told(found), changes=found)
    if previous[stage.name].get("key") == stage.key:
        return stage.but(why="the run before did not finish it")
    return stage.but(why="one of its needs has another result")
