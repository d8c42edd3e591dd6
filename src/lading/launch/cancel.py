"""Cancelling a run from outside: its launcher does it; where none lives, the one who asks does."""

import json
import time
from collections.abc import Callable
from typing import cast

from lading.attempt.observe import attempts
from lading.backends.base import Backend
from lading.launch.context import Context
from lading.launch.halt import wanted_by_others, write_cancelled
from lading.launch.pulse import BEAT_S
from lading.launch.record import ENDED, RunRecord, run_state
from lading.launch.run import read_end
from lading.launch.status import status
from lading.launch.waiting import launcher_is_gone
from lading.names import RunPlaces
from lading.store.base import Stat, Store, Upkeep

SILENT_S = 2 * BEAT_S
"""A launcher that was not heard of for so long is not waited for."""
REACTION_S = 3.0
"""What a launcher that lives gets at least: it looks for cancel.json every two seconds."""


def cancel(
    store: Store, run: str, *, backend: Backend | None = None, context: Context | None = None, sleep: Callable[[float], None] = time.sleep
) -> RunRecord:
    """Asks a run to stop, and says how it ended.

    Args:
        store: where.
        run: which.
        backend: stops what runs here, where no launcher lives to do it; what runs elsewhere stops at its next heartbeat.
        context: clock and chance.
        sleep: between two looks.

    Raises:
        NotFoundError: there is no such run.
    """
    context = context or Context()
    record = status(store, run)
    if record.state not in {"running", "interrupted"}:
        return record
    store.write(RunPlaces(run).cancel, json.dumps({"by": context.who, "at": context.utc()}).encode(), if_absent=True)
    _await_launcher(store, run, context, sleep)
    return read_end(store, run) or _end(store, run, backend, context)


def _await_launcher(store: Store, run: str, context: Context, sleep: Callable[[float], None]) -> None:
    """Gives the run's launcher the time to end it, unless it is gone, or silent for two beats by the store's own clock and then ours."""
    began = context.now()
    before = _beat(store, run)
    age = max(0.0, cast(Upkeep, store).clock() - before.modified) if before else 0.0
    changed = began - age
    while context.now() - changed < SILENT_S or context.now() - began < REACTION_S:
        if read_end(store, run) is not None or launcher_is_gone(store, run):
            return
        sleep(0.3)
        beat = _beat(store, run)
        if (beat and beat.etag) != (before and before.etag):
            before, changed = beat, context.now()


def _beat(store: Store, run: str) -> Stat | None:
    """The run's last sign of life: its launcher's heartbeat, or its plan."""
    signs = {stat.key: stat for stat in store.list(RunPlaces(run).prefix)}
    return signs.get(RunPlaces(run).progress) or signs.get(RunPlaces(run).plan)


def _end(store: Store, run: str, backend: Backend | None, context: Context) -> RunRecord:
    """No launcher is there: what it would have done."""
    record = status(store, run)
    wanted = wanted_by_others(store, but=run)
    for stage in record.stages.values():
        if stage.state != "running" or not stage.key or (stage.kind, stage.key) in wanted:
            continue
        seen = attempts(store, stage.kind, stage.key)
        if seen and (last := seen[max(seen)]).verdict is None:
            write_cancelled(store, last, run=run, nonce=context.token())
            if backend is not None:
                backend.stop(last.claim, grace_s=10)
    stages = {
        name: stage if stage.state in ENDED else stage.but(state="cancelled", reason="the run was cancelled")
        for name, stage in record.stages.items()
    }
    ended = record.but(finished=context.utc(), state=run_state(stages, cancelled=True), stages=stages, reason="")
    if not store.write(RunPlaces(run).end, ended.to_bytes(), if_absent=True):
        return read_end(store, run) or ended
    return ended
