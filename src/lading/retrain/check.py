"""The check: gathers facts, decides once a tick, and at every firing makes sure of the launch that was decided."""

import contextlib
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pydantic import Field

from lading import names
from lading.canonical import sha256_of
from lading.config.pipeline import Pipeline, Stage
from lading.config.retrain import Retrain, parse
from lading.errors import ConfigError, ManifestError, MissingObjectError, UserError
from lading.frozen import Frozen
from lading.ledger.documents import read_json
from lading.manifest.reading import read_document
from lading.retrain.decide import Act, decide
from lading.retrain.triggers import Facts, Fired, Past, RunState, Volume
from lading.retrain.volume import volumes
from lading.store.base import Store
from lading.store.opening import ensure_honest

ENV_TICK = "LADING_TICK"
"""The tick of a firing: in a cluster the CronJob's Job name, through the downward API; in a script stage, what a time trigger put there."""
LOOKED_AT = 20
"""The newest decisions that are read; each carries on what was known before, so no more is needed."""
FORGOTTEN_S = 86400.0
"""A launch of which nothing is in the store so long after was dropped by gc, or never came about."""
_TICK = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\Z")
_ENDS: tuple[RunState, ...] = ("succeeded", "failed", "gate_failed", "cancelled")

Launch = Callable[[Pipeline, str], object]
"""Makes sure that a run of the pipeline with this id is launched; called again for the same id it adopts or goes on."""


class Decision(Frozen):
    """One decision of a check; written if absent, so a tick decides once."""

    schema_: Literal["lading/decision/v1"] = Field("lading/decision/v1", alias="schema")
    check: str
    tick: str
    act: Act
    why: str
    run: str | None = None
    """The run that is launched; for `wait`, the one that is waited for while it lives."""
    fired: tuple[Fired, ...] = ()
    volumes: dict[str, Volume] = Field(default_factory=dict)
    last: Past | None = None
    """The newest launch before this decision, as it was then."""
    success: Past | None = None
    """The newest launch before this decision that had succeeded."""
    decided: str = ""
    """ISO-8601, UTC, by the store's clock."""
    nonce: str


def tick_of(option: str | None, environ: Mapping[str, str]) -> str:
    """The firing's tick: --tick, else LADING_TICK, else a fresh one for a firing by hand.

    Raises:
        UserError: it can't be a name in the store.
    """
    tick = option or environ.get(ENV_TICK) or f"by-hand-{secrets.token_hex(6)}"
    if not _TICK.match(tick):
        raise UserError(f"{tick[:80]!r} can't be a tick", do="use letters, digits, '.', '_' and '-', at most 101 of them")
    return tick


def check(store: Store, pipeline: Pipeline, tick: str, launch: Launch) -> Decision:
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
    decision = _read(store, place)
    if decision is None:
        ensure_honest(store)
        made = _decide(store, pipeline, retrain, name, tick)
        decision = made if store.write(place, made.to_bytes(), if_absent=True) else read_document(store, place, Decision)
    store.write(place.removesuffix(".json") + ".md", markdown(decision).encode())
    if decision.run is not None and state_of(store, decision.run)[0] == "live":
        launch(_to_launch(pipeline, retrain, _origin(store, name, decision)), decision.run)
    return decision


def decisions(store: Store, name: str | None = None, *, last: int = LOOKED_AT) -> list[Decision]:
    """The newest decisions, of one check or of all, the newest first; what is refused is left out."""
    stats = [stat for stat in store.list(f"retrain/{name}/" if name else "retrain/") if stat.key.endswith(".json")]
    found: list[Decision] = []
    for stat in sorted(stats, key=lambda stat: (stat.modified, stat.key), reverse=True):
        if len(found) == last:
            break
        with contextlib.suppress(ManifestError):
            if (decision := _read(store, stat.key)) is not None:
                found.append(decision)
    return found


def markdown(decision: Decision) -> str:
    """The decision as a page."""
    lines = [f"# {decision.check}: {decision.act}", "", f"{decision.why}.", "", "| trigger | due | why |", "| --- | --- | --- |"]
    lines += [f"| {said.trigger} | {'yes' if said.due else 'no'} | {said.why} |" for said in decision.fired]
    lines += ["", f"Tick `{decision.tick}`, decided {decision.decided}."]
    lines += [f"Run `{decision.run}`: `lading status {decision.run}`."] if decision.run else []
    return "\n".join(lines) + "\n"


def state_of(store: Store, run: str) -> tuple[RunState, float | None]:
    """How a run ended, and when by the store's clock; live where it has no end, though nobody may have begun it yet."""
    place = names.RunPlaces(run).end
    stat = next((stat for stat in store.list(place) if stat.key == place), None)
    if stat is None:
        return "live", None
    state = (read_json(store, place) or {}).get("state")
    return (cast("RunState", state) if state in _ENDS else "failed"), stat.modified


def _retrain_of(pipeline: Pipeline) -> Retrain:
    if not pipeline.retrain:
        raise ConfigError([f"pipeline {pipeline.pipeline} has no `retrain:`"], do="add one: retrain: {time: {every: 24h}}")
    retrain = parse(pipeline.retrain, pipeline.stages)
    if retrain.time is not None:
        _put_tick(pipeline.stages[retrain.time.stage], "tick")
    return retrain


def _read(store: Store, place: str) -> Decision | None:
    try:
        return read_document(store, place, Decision)
    except MissingObjectError:
        return None


def _decide(store: Store, pipeline: Pipeline, retrain: Retrain, name: str, tick: str) -> Decision:
    """A decision that nobody has written yet."""
    now, there = _clock(store), volumes(pipeline)
    last, success = _past(store, name, now)
    facts = Facts(tick=tick, now=now, last=last, success=success, volumes=there)
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
        decided=at.isoformat(timespec="seconds"),
        nonce=secrets.token_hex(16),
    )


def _clock(store: Store) -> float:
    """The store's own time: decisions compare it with the times of other objects in it."""
    clock: Any = getattr(store, "clock", None)
    if clock is None:
        raise UserError(f"the store {store.uri} can't say its time, so nothing can be decided by it")
    return float(clock())


def _past(store: Store, name: str, now: float) -> tuple[Past | None, Past | None]:
    """The newest launch of a check, and the newest that succeeded: from the newest decisions, each of which carries what was known then."""
    known: dict[str, Past] = {}
    stats = [stat for stat in store.list(f"retrain/{name}/") if stat.key.endswith(".json")]
    for stat in sorted(stats, key=lambda stat: (stat.modified, stat.key))[-LOOKED_AT:]:
        if (decision := _read(store, stat.key)) is None:
            continue
        for past in (decision.success, decision.last):
            if past is not None and (past.run not in known or past.state != "live"):
                known[past.run] = past
        if decision.act == "launch" and decision.run is not None:
            known.setdefault(
                decision.run, Past(tick=decision.tick, run=decision.run, decided=stat.modified, state="live", volumes=decision.volumes)
            )
    pasts = sorted((_as_now(store, past, now) for past in known.values()), key=lambda past: (past.decided, past.run))
    return (pasts[-1] if pasts else None), next((past for past in reversed(pasts) if past.state == "succeeded"), None)


def _as_now(store: Store, past: Past, now: float) -> Past:
    """A launched run as it is now. What has ended stays so, also when gc has dropped the run since."""
    if past.state != "live":
        return past
    state, ended = state_of(store, past.run)
    if state == "live" and now - past.decided > FORGOTTEN_S and not any(True for _ in store.list(names.RunPlaces(past.run).prefix)):
        return past.but(state="failed", ended=past.decided)
    return past.but(state=state, ended=ended)


def _origin(store: Store, name: str, decision: Decision) -> Decision:
    """The decision that launched the run: another firing may only make sure of it."""
    if decision.act == "launch":
        return decision
    for stat in store.list(f"retrain/{name}/"):
        if stat.key.endswith(".json") and (found := _read(store, stat.key)) and found.act == "launch" and found.run == decision.run:
            return found
    return decision


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
