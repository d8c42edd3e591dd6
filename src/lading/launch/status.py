"""How a run stands, while it runs and after: read from the store alone, by anybody."""

import contextlib
from typing import cast

from lading.attempt.observe import attempts
from lading.errors import MissingObjectError, NotFoundError
from lading.launch.pulse import with_progress
from lading.launch.record import PlanRecord, RunProgress, RunRecord, StageRecord, read_record
from lading.launch.run import read_end
from lading.launch.waiting import why_left
from lading.names import RunPlaces
from lading.store.base import Store, Upkeep


def status(store: Store, run: str) -> RunRecord:
    """run.json, or the same shape of a run that goes on: its launcher's last word, and what each attempt says of itself now.

    Raises:
        NotFoundError: there is no such run.
    """
    if ended := read_end(store, run):
        return ended
    try:
        plan = read_record(store, RunPlaces(run).plan, PlanRecord)
    except MissingObjectError:
        raise NotFoundError(f"there is no run {run} in {store.uri}", do="lading runs lists them") from None
    stages = {name: StageRecord(kind=planned.kind, key=planned.key) for name, planned in plan.stages.items() if planned.selected}
    with contextlib.suppress(MissingObjectError):
        stages |= read_record(store, RunPlaces(run).progress, RunProgress).stages
    now = cast(Upkeep, store).clock() if any(record.state == "running" for record in stages.values()) else 0.0
    stages = {name: _now(store, record, now) if record.state == "running" else record for name, record in stages.items()}
    shown = RunRecord(run=run, pipeline=plan.pipeline.pipeline, started=plan.started, stages=stages, overrides=plan.pipeline.overrides)
    why = why_left(store, plan)
    return shown.but(state="interrupted", reason=why) if why else shown


def _now(store: Store, record: StageRecord, now: float) -> StageRecord:
    """A running stage with the newest of its newest attempt, and how long that goes on by the store's clock."""
    if not record.key:
        return record
    try:
        seen = attempts(store, record.kind, record.key)
        if not seen:
            return record
        last = seen[max(seen)]
        return with_progress(store, record.but(attempt=last.number, seconds=round(last.seconds(now), 1)), last)
    except MissingObjectError:
        return record
