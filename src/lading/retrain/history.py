"""What a check decided before: one decision a tick, one number a launch; what became of each run."""

import contextlib
from collections.abc import Iterator
from typing import Literal, cast

from pydantic import Field

from lading import names
from lading.errors import ManifestError, MissingObjectError
from lading.frozen import Frozen
from lading.ledger.documents import read_json, record_of
from lading.ledger.runs import run_ids
from lading.ledger.silence import interrupted
from lading.manifest.handoff import newest
from lading.manifest.reading import read_document
from lading.retrain.decide import Act
from lading.retrain.triggers import Fired, Past, RunState, Seen, Volume
from lading.store.base import Stat, Store, stat_of

LOOKED_AT = 20
"""The newest decisions that are read; each carries on what was known before, so no more is needed."""
FORGOTTEN_S = 86400.0
"""A launch of which nothing is in the store so long after was dropped by gc, or never came about."""
_ENDS: tuple[RunState, ...] = ("succeeded", "failed", "gate_failed", "cancelled")


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
    champion: Seen | None = None
    """The model in use then."""
    decided: str = ""
    """ISO-8601, UTC, by the store's clock."""
    nonce: str


def read(store: Store, name: str, tick: str) -> Decision | None:
    """What was decided for a tick."""
    return _read(store, names.decision(name, tick))


def put(store: Store, decision: Decision) -> Decision:
    """Writes the decision of its tick; where the tick has one already, that one counts."""
    place = names.decision(decision.check, decision.tick)
    return decision if store.write(place, decision.to_bytes(), if_absent=True) else read_document(store, place, Decision)


def settle(store: Store, name: str) -> int:
    """The number of the newest launch, 0 where there is none; the decision of its tick is there then, whoever died before writing it."""
    number = newest(store, names.launches(name))
    if number and (launch := _read(store, names.launch(name, number))) is not None:
        put(store, launch)
    return number


def take(store: Store, decision: Decision, number: int) -> bool:
    """Takes a number for a launch that was decided with all earlier numbers settled: of ticks that decide at once, one gets it.

    A number counts for what its tick's own decision says: another firing of the tick may have decided to launch nothing.
    """
    return store.write(names.launch(decision.check, number), decision.to_bytes(), if_absent=True)


def decisions(store: Store, name: str | None = None, *, last: int = LOOKED_AT) -> list[Decision]:
    """The newest decisions, of one check or of all, the newest first; what is refused is left out."""
    found: list[Decision] = []
    for stat in reversed(_stats(store, name)):
        if len(found) == last:
            break
        with contextlib.suppress(ManifestError):
            if (decision := _read(store, stat.key)) is not None:
                found.append(decision)
    return found


def state_of(store: Store, run: str) -> tuple[RunState, float | None]:
    """How a run ended, and when by the store's clock; live where it has no end, though nobody may have begun it yet."""
    place = names.RunPlaces(run).end
    stat = stat_of(store, place)
    if stat is None:
        return "live", None
    state = (read_json(store, place) or {}).get("state")
    return (cast("RunState", state) if state in _ENDS else "failed"), stat.modified


def past(store: Store, name: str, now: float) -> tuple[Past | None, Past | None]:
    """The newest launch of a check, and the newest that succeeded: from the newest decisions, each of which carries what was known then."""
    known: dict[str, Past] = {}
    for stat in _stats(store, name)[-LOOKED_AT:]:
        if (decision := _read(store, stat.key)) is None:
            continue
        for one in (decision.success, decision.last):
            if one is not None and (one.run not in known or one.state != "live"):
                known[one.run] = one
        if decision.act == "launch" and decision.run is not None:
            known.setdefault(
                decision.run, Past(tick=decision.tick, run=decision.run, decided=stat.modified, state="live", volumes=decision.volumes)
            )
    pasts = sorted((_as_now(store, one, now) for one in known.values()), key=lambda one: (one.decided, one.run))
    return (pasts[-1] if pasts else None), next((one for one in reversed(pasts) if one.state == "succeeded"), None)


def _as_now(store: Store, past: Past, now: float) -> Past:
    """A launched run as it is now. What has ended stays so, also when gc has dropped the run since."""
    if past.state != "live":
        return past
    state, ended = state_of(store, past.run)
    if state == "live" and now - past.decided > FORGOTTEN_S and not any(True for _ in store.list(names.RunPlaces(past.run).prefix)):
        return past.but(state="failed", ended=past.decided)
    return past.but(state=state, ended=ended)


def beside(store: Store, pipeline: str, own: str | None) -> str | None:
    """The newest run of a pipeline that goes on, whoever started it; other than the check's own."""
    going = (run for run in reversed(run_ids(store, ended=False)) if run != own and not interrupted(store, run))
    return next((run for run in going if record_of(store, run)["pipeline"] == pipeline), None)


def origin(store: Store, name: str, decision: Decision) -> Decision:
    """The decision that launched the run: another firing may only make sure of it."""
    if decision.act == "launch":
        return decision
    for stat in _stats(store, name):
        if (found := _read(store, stat.key)) and found.act == "launch" and found.run == decision.run:
            return found
    return decision


def _read(store: Store, place: str) -> Decision | None:
    try:
        return read_document(store, place, Decision)
    except MissingObjectError:
        return None


def _stats(store: Store, name: str | None) -> list[Stat]:
    """The decisions of one check or of all, the oldest first."""
    listed: Iterator[Stat] = store.list(f"retrain/{name}/" if name else "retrain/")
    # retrain/<check>/<tick>.json; deeper lie the numbers of launches.
    return sorted((s for s in listed if s.key.endswith(".json") and s.key.count("/") == 2), key=lambda stat: (stat.modified, stat.key))
