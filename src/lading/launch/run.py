"""A run from its plan to its end: written first, once; walked; ended, once."""

import contextlib
import threading
from collections.abc import Callable

from lading.backends.base import Backend
from lading.config.pipeline import Pipeline
from lading.errors import ClusterError, MissingObjectError, StoreError, UserError
from lading.launch.context import Context, checked_run_id, new_run_id
from lading.launch.events import Event
from lading.launch.halt import halt
from lading.launch.promotion import seen_champions
from lading.launch.record import PlanRecord, RunRecord, read_record, run_state
from lading.launch.walk import Walk
from lading.logs import get_logger
from lading.names import RunPlaces
from lading.plan.build import Fingerprints, build
from lading.plan.fingerprint import parts
from lading.plan.records import Records
from lading.plan.resolve import resolve
from lading.plan.selection import ALL, Selection
from lading.store.base import Store
from lading.store.opening import ensure_honest

WAIT_S = 1.0
"""Between two looks, where nothing wakes the launcher earlier."""
SOON_S, SOON_FOR_S, SOON_MOST = 0.25, 10.0, 10
"""Between two looks while a stage is this young, and no more than so many run: a short one ends about now, and is not waited for longer
than it takes."""
PATIENCE_S = 3600.0
"""How long a launcher goes on trying when the store or the cluster is out of reach; what runs meanwhile goes on."""
CANCEL_EVERY_S = 2.0
OWN_ID = "leave out --run: it gets an id of its own"
log = get_logger()


def launch(  # noqa: PLR0913 - a run is chosen by all of these
    pipeline: Pipeline,
    store: Store,
    backend: Backend,
    *,
    run: str | None = None,
    selection: Selection = ALL,
    on_event: Callable[[Event], None] = lambda _: None,
    on_start: Callable[[str], None] = lambda _: None,
    cancel: threading.Event | None = None,
    context: Context | None = None,
    fingerprints: Fingerprints = parts,
) -> RunRecord:
    """Brings a pipeline to its end and says how it ended; started again with the same run id, it goes on.

    Args:
        pipeline: as loaded, or resolved.
        store: where its stages meet.
        backend: where they run.
        run: the run's id; by default a new one.
        selection: which of its stages are asked for.
        on_event: hears every change of a stage.
        on_start: hears the run's id once its plan is written.
        cancel: set it to cancel the run.
        context: clock and chance.
        fingerprints: of each kind where its stages will run: here, or in the images of a cluster.

    Raises:
        UserError: the run id belongs to another pipeline, or what is asked for can't be done.
        StoreError: the store is out of reach.
    """
    context = context or Context()
    ensure_honest(store)
    run = checked_run_id(run) if run else new_run_id(context)
    if ended := read_end(store, run):
        if before := _read_plan(store, run):
            _same(before, resolve(pipeline, store), selection)
        return ended
    records = Records.listed(store)  # one LIST, and one read of each record, for the plan and for the walk's first look
    plan = begin(pipeline, store, backend.name, run=run, selection=selection, context=context, fingerprints=fingerprints, records=records)
    on_start(run)
    walk = Walk(plan, store, backend, context, on_event, fingerprints, records)
    cancelled = _walk(walk, backend, cancel or threading.Event())
    return finish(walk, cancelled=cancelled)


def begin(
    pipeline: Pipeline,
    store: Store,
    backend: str,
    *,
    run: str,
    selection: Selection = ALL,
    context: Context,
    fingerprints: Fingerprints = parts,
    records: Records | None = None,
) -> PlanRecord:
    """The run's plan.json: written, or read again where the run was begun before.

    Raises:
        UserError: it was begun with another pipeline, or with another choice of stages.
    """
    place = RunPlaces(run).plan
    resolved = resolve(pipeline, store)
    before = _read_plan(store, run)
    if before is None:
        plan = build(resolved, store, selection=selection, fingerprints=fingerprints, records=records)
        before = PlanRecord(
            run=run,
            started=context.utc(),
            pipeline=plan.pipeline,
            backend=backend,
            stages=plan.stages,
            force=tuple(sorted(selection.force)),
            only=tuple(sorted(selection.only)),
            until=selection.until,
            champions=seen_champions(store, plan.pipeline),
        )
        if not store.write(place, before.to_bytes(), if_absent=True):
            before = _read_plan(store, run) or before
    _same(before, resolved, selection)
    return before


def _same(before: PlanRecord, resolved: Pipeline, selection: Selection) -> None:
    """Refuses to take up a run with another pipeline, or another choice of its stages, than it was begun with."""
    if _identity(before.pipeline) != _identity(resolved):
        raise UserError(f"run {before.run} was begun with another pipeline ({before.pipeline.pipeline})", do=OWN_ID)
    began, asked = before.selection.options, selection.options
    if differs := [option for option in began if began[option] != asked[option]]:
        told = " ".join(f"{option} {name}" for option in differs for name in began[option])
        raise UserError(f"run {before.run} was begun with {told or f'no {differs[0]}'}, and can't go on with another choice", do=OWN_ID)


def _identity(pipeline: Pipeline) -> object:
    """What makes two launchings one run: the pipeline, but not where its store or its file lies, nor what its outside data is by now,
    for a run goes on with the data that it was planned with."""
    data = pipeline.to_data()
    return {"pipeline": data["pipeline"], "stages": {name: {**stage, "outside": {}} for name, stage in data["stages"].items()}}


def _read_plan(store: Store, run: str) -> PlanRecord | None:
    try:
        return read_record(store, RunPlaces(run).plan, PlanRecord)
    except MissingObjectError:
        return None


def read_end(store: Store, run: str) -> RunRecord | None:
    """How a run ended; none while it has not."""
    try:
        return read_record(store, RunPlaces(run).end, RunRecord)
    except MissingObjectError:
        return None


def _walk(walk: Walk, backend: Backend, cancel: threading.Event) -> bool:
    """Steps until all is over; True if the run was cancelled."""
    now = walk.context.now
    asked, lost_since = now(), None
    while True:
        try:
            if walk.step():
                return False
            if cancel.is_set() or (now() - asked >= CANCEL_EVERY_S and _is_cancelled(walk)):
                halt(walk, backend)
                return True
            asked = now() if now() - asked >= CANCEL_EVERY_S else asked
            lost_since = None
            if walk.rest:
                continue
        except (StoreError, ClusterError) as error:
            lost_since = lost_since if lost_since is not None else now()
            if type(error) not in {StoreError, MissingObjectError, ClusterError} or now() - lost_since > PATIENCE_S:
                raise
            log.warning("out_of_reach", run=walk.plan.run, problem=error.message)
        backend.wait(_pause(walk))


def _pause(walk: Walk) -> float:
    """How long nothing is looked at, unless the backend tells of something."""
    running = [entry.began for entry in walk.entries.values() if entry.record.state == "running"]
    return SOON_S if len(running) <= SOON_MOST and any(walk.context.now() - began < SOON_FOR_S for began in running) else WAIT_S


def _is_cancelled(walk: Walk) -> bool:
    with contextlib.suppress(MissingObjectError):
        walk.store.read(RunPlaces(walk.plan.run).cancel, limit=1)
        return True
    return False


def finish(walk: Walk, *, cancelled: bool, reason: str = "") -> RunRecord:
    """Writes run.json, once; says what stands."""
    plan = walk.plan
    stages = {name: entry.record for name, entry in walk.entries.items()}
    for name, entry in walk.entries.items():
        if not entry.over:
            stages[name] = entry.record.but(state="cancelled", reason="the run was cancelled")
    record = RunRecord(
        run=plan.run,
        pipeline=plan.pipeline.pipeline,
        started=plan.started,
        finished=walk.context.utc(),
        state=run_state(stages, cancelled=cancelled),
        stages=stages,
        reason=reason,
        overrides=plan.pipeline.overrides,
    )
    walk.pulse.beat(walk.entries, now=True)
    if not walk.store.write(RunPlaces(plan.run).end, record.to_bytes(), if_absent=True):
        return read_end(walk.store, plan.run) or record
    return record
