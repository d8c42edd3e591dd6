"""Stopping a run: only the attempts that no other live run waits for."""

from typing import cast

from lading.attempt.observe import Attempt, attempts
from lading.attempt.verdict import cancelled
from lading.backends.base import Backend
from lading.errors import ManifestError, MissingObjectError
from lading.launch.board import Entry
from lading.launch.record import RunProgress
from lading.launch.walk import Walk
from lading.ledger.silence import LIVE_S
from lading.names import AttemptId, RunPlaces
from lading.store.base import Store, Upkeep


def halt(walk: Walk, backend: Backend) -> None:
    """Stops what runs for this run alone, and waits until it has ended, at most its grace and a little."""
    grace: list[float] = []
    running = [entry for entry in walk.entries.values() if not entry.over and entry.record.key and _look(walk, entry)]
    stopped: list[Attempt] = []
    wanted = wanted_by_others(walk.store, but=walk.plan.run)
    for entry in running:
        assert entry.attempt
        if (entry.stage.kind, entry.attempt.claim.key) in wanted:
            continue
        grace.append(entry.stage.resources.grace_s)
        backend.stop(entry.attempt.claim, grace_s=entry.stage.resources.grace_s)
        stopped.append(entry.attempt)
    deadline = walk.context.now() + max(grace, default=0.0) + 2.0
    while stopped and walk.context.now() < deadline:
        stopped = [attempt for attempt in stopped if not _ended(walk.store, attempt) and backend.look(attempt.claim).alive]
        if stopped:
            backend.wait(0.2)
    wanted = wanted_by_others(walk.store, but=walk.plan.run)  # others may have come meanwhile
    for entry in running:
        assert entry.attempt
        if (entry.stage.kind, entry.attempt.claim.key) not in wanted:
            write_cancelled(walk.store, entry.attempt, run=walk.plan.run, nonce=walk.context.token())


def _look(walk: Walk, entry: Entry) -> bool:
    """Whether an attempt goes on now, also one that was claimed a moment ago and not looked at since."""
    seen = attempts(walk.store, entry.stage.kind, str(entry.record.key), cache=walk.cache)
    entry.attempt = seen[max(seen)] if seen else None
    return entry.attempt is not None and entry.attempt.verdict is None and not entry.attempt.ended


def _ended(store: Store, attempt: Attempt) -> bool:
    now = attempts(store, attempt.claim.kind, attempt.claim.key).get(attempt.number)
    return now is None or now.ended


def write_cancelled(store: Store, attempt: Attempt, *, run: str, nonce: str) -> None:
    """The verdict that tells an attempt wherever it runs to stop, at its next heartbeat."""
    verdict = cancelled(f"run {run} was cancelled, and no other run waits for it", run=run, nonce=nonce)
    store.write(AttemptId(attempt.claim.kind, attempt.claim.key, attempt.number).verdict, verdict.to_bytes(), if_absent=True)


def wanted_by_others(store: Store, *, but: str) -> frozenset[tuple[str, str]]:
    """Kind and key of all that other live runs wait for: those whose launcher was heard of lately, by the store's own clock alone."""
    beats = {stat.key: stat for stat in store.list("runs/") if stat.key.endswith(("/progress.json", "/run.json"))}
    pulses = {name.split("/")[1]: stat for name, stat in beats.items() if name.endswith("/progress.json")}
    others = {run: stat for run, stat in pulses.items() if run != but and RunPlaces(run).end not in beats}
    now = cast(Upkeep, store).clock() if others else 0.0
    wanted: set[tuple[str, str]] = set()
    for stat in others.values():
        if now - stat.modified >= LIVE_S:
            continue
        try:
            progress = RunProgress.model_validate_json(store.read(stat.key))
        except (MissingObjectError, ManifestError, ValueError):
            continue
        wanted.update(progress.waits)
    return frozenset(wanted)
