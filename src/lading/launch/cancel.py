"""Cancelling a run from outside: its launcher does it; where none lives, the one who asks does."""

import json
import time
from collections.abc import Callable

from lading.attempt.observe import attempts
from lading.backends.base import Backend
from lading.launch.context import Context
from lading.launch.halt import wanted_by_others, write_cancelled
from lading.launch.pulse import BEAT_S
from lading.launch.record import ENDED, RunRecord, run_state
from lading.launch.run import read_end
from lading.launch.status import status
from lading.names import RunPlaces
from lading.store.base import Store


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
    if record.state != "running":
        return record
    store.write(RunPlaces(run).cancel, json.dumps({"by": context.who, "at": context.utc()}).encode(), if_absent=True)
    before, changed = _beat(store, run), context.now()
    while context.now() - changed < 2 * BEAT_S:
        if ended := read_end(store, run):
            return ended
        sleep(0.3)
        if (beat := _beat(store, run)) != before:
            before, changed = beat, context.now()
    return _end(store, run, backend, context)


def _beat(store: Store, run: str) -> str:
    place = RunPlaces(run).progress
    return next((stat.etag for stat in store.list(place) if stat.key == place), "")


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
    ended = record.but(finished=context.utc(), state=run_state(stages, cancelled=True), stages=stages)
    if not store.write(RunPlaces(run).end, ended.to_bytes(), if_absent=True):
        return read_end(store, run) or ended
    return ended
