"""The check: gathers facts, decides once a tick, and at every firing makes sure of the launch that was decided."""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lading import names
from lading.canonical import sha256_of
from lading.config.commands import anywhere
from lading.config.pipeline import Pipeline, Stage
from lading.config.retrain import Retrain, parse
from lading.errors import ConfigError, StoreError, UserError
from lading.retrain import history
from lading.retrain.decide import decide
from lading.retrain.history import Decision
from lading.retrain.inuse import champion
from lading.retrain.triggers import Facts
from lading.retrain.volume import volumes
from lading.store.base import Store
from lading.store.opening import ensure_honest

ENV_TICK = "LADING_TICK"
"""The tick of a firing: in a cluster the CronJob's Job name, through the downward API; in a script stage, what a time trigger put there."""
TRIES = 20
"""Decisions of one firing, where other ticks are faster each time."""
_TICK = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\Z")

Launch = Callable[[Pipeline, str], object]
"""Makes sure that a run of the pipeline with this id is launched; called again for the same id it adopts or goes on."""


def tick_of(option: str | None, environ: Mapping[str, str]) -> str:
    """The firing's tick: --tick, else LADING_TICK, else a fresh one for a firing by hand.

    Raises:
        UserError: it can't be a name in the store.
    """
    tick = option or environ.get(ENV_TICK) or f"by-hand-{secrets.token_hex(6)}"
    if not _TICK.match(tick):
        raise UserError(f"{tick[:80]!r} can't be a tick", do="use letters, digits, '.', '_' and '-', at most 101 of them")
    return tick


class Checked(NamedTuple):
    """What a firing found."""

    decision: Decision
    known: bool
    """Whether it was decided at an earlier firing of the tick."""


def check(store: Store, pipeline: Pipeline, tick: str, launch: Launch) -> Checked:
    """Decides for a tick, or reads what was decided, and makes sure of the launch.

    Args:
        store: of the pipeline.
        pipeline: loaded; its `retrain:` says when.
        tick: which firing this is; the same tick decides once.
        launch: called at every firing whose decision has a run that did not end, with the pipeline to launch and the run's id.

    Raises:
        ConfigError: the pipeline has no `retrain:`, or a wrong one.
    """
    retrain = _retrain_of(pipeline)
    name = retrain.check or pipeline.pipeline
    place = names.decision(name, tick_of(tick, {}))
    before = history.read(store, name, tick)
    if before is None:
        ensure_honest(store)
    decision = before or _decide(store, pipeline, retrain, name, tick)
    store.write(place.removesuffix(".json") + ".md", markdown(decision, store.uri).encode())
    if decision.run is not None and history.state_of(store, decision.run)[0] == "live":
        launch(_to_launch(pipeline, retrain, history.origin(store, name, decision)), decision.run)
    return Checked(decision, known=before is not None)


def markdown(decision: Decision, store: str) -> str:
    """The decision as a page."""
    lines = [f"# {decision.check}: {decision.act}", "", f"{decision.why}.", "", "| trigger | due | why |", "| --- | --- | --- |"]
    lines += [f"| {said.trigger} | {'yes' if said.due else 'no'} | {said.why} |" for said in decision.fired]
    lines += ["", f"Tick `{decision.tick}`, decided {decision.decided}."]
    lines += [f"Run `{decision.run}`: `{anywhere(store, 'status', decision.run)}`."] if decision.run else []
    return "\n".join(lines) + "\n"


def _retrain_of(pipeline: Pipeline) -> Retrain:
    if not pipeline.retrain:
        raise ConfigError([f"pipeline {pipeline.pipeline} has no `retrain:`"], do="add one: retrain: {time: {every: 24h}}")
    retrain = parse(pipeline.retrain)
    if retrain.time is not None:
        _put_tick(pipeline.stages[retrain.time.stage], "tick")
    return retrain


def _decide(store: Store, pipeline: Pipeline, retrain: Retrain, name: str, tick: str) -> Decision:
    """Decides, and writes it down; a launch takes the next number first, and decides anew where another tick was faster."""
    for _ in range(TRIES):
        number = history.settle(store, name) + 1
        if (decided := history.read(store, name, tick)) is not None:
            return decided
        decision = _weigh(store, pipeline, retrain, name, tick)
        if decision.act != "launch" or history.take(store, decision, number):
            return history.put(store, decision)
    raise StoreError(f"other firings of {name} launch all the time", do="fire again with the same tick")


def _weigh(store: Store, pipeline: Pipeline, retrain: Retrain, name: str, tick: str) -> Decision:
    """A decision by what is there now; not written yet."""
    now, there = _clock(store), volumes(pipeline)
    last, success = history.past(store, name, now)
    facts = Facts(
        tick=tick,
        now=now,
        last=last,
        success=success,
        champion=champion(store, pipeline, retrain),
        beside=history.beside(store, pipeline.pipeline, last.run if last else None),
        volumes=there,
    )
    decided = decide(retrain, facts)
    at = datetime.fromtimestamp(now, UTC)
    run = f"{at:%Y%m%dT%H%M%SZ}-{sha256_of([name, tick])[:8]}" if decided.act == "launch" else None
    if decided.act == "wait" and last is not None and last.state == "live":
        run = last.run
    return Decision(
        check=name,
        tick=tick,
        act=decided.act,
        why=decided.why,
        run=run,
        fired=decided.fired,
        volumes=there,
        last=last,
        success=success,
        champion=facts.champion,
        decided=at.isoformat(timespec="seconds"),
        nonce=secrets.token_hex(16),
    )


def _clock(store: Store) -> float:
    """The store's own time: decisions compare it with the times of other objects in it."""
    clock: Any = getattr(store, "clock", None)
    if clock is None:
        raise UserError(f"the store {store.uri} can't say its time, so nothing can be decided by it")
    return float(clock())


def _to_launch(pipeline: Pipeline, retrain: Retrain, decision: Decision) -> Pipeline:
    """The pipeline to launch: outside data is listed anew, for it may have changed since a pipeline was resolved; and a time trigger
    that was due puts its tick where the data comes from, or everything would be a hit."""
    stages = {name: stage.but(outside={}) for name, stage in pipeline.stages.items()}
    if retrain.time is not None and any(said.due and said.trigger == "time" for said in decision.fired):
        stages[retrain.time.stage] = _put_tick(stages[retrain.time.stage], decision.tick)
    # A resolved pipeline has no folder, and absolute paths: with one it is resolved again, and its files stay as they are named.
    return pipeline.but(stages=stages, folder=pipeline.folder or "/")


def _put_tick(stage: Stage, tick: str) -> Stage:
    """The stage with the tick in its settings, so in its key.

    Raises:
        ConfigError: its kind has no place for one.
    """
    fields = type(stage.settings).model_fields
    if "tick" in fields:
        return stage.but(settings=stage.settings.but(tick=tick))
    if "env" in fields:
        return stage.but(settings=stage.settings.but(env={**getattr(stage.settings, "env", {}), ENV_TICK: tick}))
    raise ConfigError(
        [f"retrain.time.stage: stage {stage.name} is of kind {stage.kind}, which takes no tick"],
        do="name the stage that brings the data: one of kind data or script",
    )
