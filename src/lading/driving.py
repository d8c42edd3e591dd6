"""Launches a pipeline from this process and follows it to its end: what the command line and the library share."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lading.backends.base import Backend
from lading.config.pipeline import Pipeline as PipelineFile
from lading.errors import LadingError
from lading.ledger.documents import in_order, pipeline_of, read_json, tried_before
from lading.names import RunPlaces
from lading.plan.selection import ALL, Selection
from lading.store.base import Store

TICK_S = 0.25
PAGE_S = 10.0
"""How often the page of a run that goes on is written."""
PAGE_SHARE = 20
"""A page of many stages takes long: it is written so seldom that it takes no more than a twentieth of the time."""
Record = dict[str, Any]


class Following:
    """What is known of a run while it goes on, kept from the launcher's events: looking at it asks the store nothing."""

    def __init__(self, pipeline: PipelineFile) -> None:
        self._lock = threading.Lock()
        self.record: Record = {
            "schema": "lading/run/v1",
            "run": "",
            "pipeline": pipeline.pipeline,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "finished": "",
            "state": "running",
            "stages": {},
        }

    def started(self, run: str) -> None:
        """The run's plan is written."""
        self.record["run"] = run

    def heard(self, event: Any) -> None:
        """A stage's record changed."""
        with self._lock:
            self.record["stages"][event.stage] = event.record.to_data()

    def now(self, pipeline: PipelineFile) -> Record:
        """The record as it is now, stages in the pipeline's order."""
        with self._lock:
            heard = dict(self.record["stages"])
        stages = {name: heard.get(name) or {"kind": stage.kind, "state": "pending"} for name, stage in pipeline.stages.items()}
        return {**self.record, "stages": stages}


@dataclass(frozen=True, slots=True)
class Place:
    """Where stages run."""

    make: Callable[[], Backend]
    """Makes the backend, in the launcher's thread."""
    fingerprints: Callable[[str], Any]
    """Of each kind, there."""


def here(store: Store) -> Place:
    """This machine."""
    from lading.backends.composite import CompositeBackend
    from lading.backends.local import LocalBackend
    from lading.backends.runner import RunnerBackend
    from lading.plan.fingerprint import parts

    return Place(lambda: CompositeBackend(LocalBackend(store.uri), RunnerBackend(store)), parts)


def in_cluster(pipeline: PipelineFile, store: Store) -> Place:
    """The cluster that the pipeline's `kubernetes:` map and KUBECONFIG name; stages with `runner:` are offered in the store.

    Raises:
        UserError: no cluster is known here, or its namespace is closed to us.
    """
    from lading.backends.composite import CompositeBackend
    from lading.backends.kubernetes.backend import KubernetesBackend
    from lading.backends.kubernetes.connect import Connection, owner_reference
    from lading.backends.kubernetes.versions import in_images
    from lading.backends.runner import RunnerBackend
    from lading.config.cluster import Cluster
    from lading.names import ENV_OWNER

    cluster = Cluster.model_validate(pipeline.kubernetes)
    connection = Connection(cluster.context, cluster.namespace)
    owner = owner_reference(connection, os.environ[ENV_OWNER]) if os.environ.get(ENV_OWNER) else None
    backend = KubernetesBackend(cluster, connection=connection, owner=owner)
    backend.check(store.uri, nothing_mounted=not any(cluster.pod(stage).volumes for stage in pipeline.stages))
    return Place(lambda: CompositeBackend(backend, RunnerBackend(store)), in_images)


def drive(
    pipeline: PipelineFile,
    store: Store,
    *,
    run: str | None = None,
    selection: Selection = ALL,
    on_tick: Callable[[Record], None] = lambda _: None,
    place: "Place | None" = None,
) -> Record:
    """Launches a pipeline here and follows it to its end; its record.

    The launcher walks in a thread of its own. The first Ctrl-C asks it to stop in order, the second leaves at once:
    what was started on this machine is asked to stop, and nobody waits for it.

    Args:
        pipeline: what to run.
        store: where.
        run: the id, to go on with a run.
        selection: which of its stages are asked for.
        on_tick: called with the record as it is, a few times a second while it goes on; what it raises stops the run, in order.
        place: where its stages run; by default on this machine.
    """
    from lading.launch.run import launch

    place = place or here(store)

    cancel, ended = threading.Event(), threading.Event()
    following, outcome, backends = Following(pipeline), list[Any](), list[Backend]()

    def walk() -> None:
        backend: Backend | None = None
        try:
            backend = place.make()
            backends.append(backend)
            outcome.append(
                launch(
                    pipeline,
                    store,
                    backend,
                    fingerprints=place.fingerprints,
                    on_event=following.heard,
                    on_start=following.started,
                    run=run,
                    selection=selection,
                    cancel=cancel,
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome.append(error)
        finally:
            ended.set()
            if backend is not None:
                backend.close()  # in a process that goes on, nothing of it stays behind

    threading.Thread(target=walk, name="launch", daemon=True).start()
    try:
        _follow(partial(_tick, pipeline, store, following, on_tick, _Page()), ended, cancel)
    except KeyboardInterrupt:  # the second
        for backend in backends:
            backend.leave()
        raise
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    ended_record: Record = outcome[0].to_data()
    return ended_record


def _follow(tick: Callable[[], None], ended: threading.Event, cancel: threading.Event) -> None:
    """Ticks until the end. Ctrl-C, whatever it meets, becomes a request to stop; the second one goes through."""
    while True:
        try:
            if ended.wait(TICK_S):
                return
            tick()
        except KeyboardInterrupt:
            if cancel.is_set():
                raise
            cancel.set()
            with contextlib.suppress(OSError, ValueError):  # nobody reads it
                sys.stderr.write("\nstopping cleanly; Ctrl-C again leaves at once\n")
        except BaseException:
            cancel.set()
            ended.wait()  # nobody would look after what was started
            raise


@dataclass(slots=True)
class _Page:
    """When the page of a run that goes on is due."""

    due: float = field(default_factory=lambda: time.monotonic() + PAGE_S)


def _tick(pipeline: PipelineFile, store: Store, following: Following, on_tick: Callable[[Record], None], page: _Page) -> None:
    """Shows how it goes, and from time to time writes the page."""
    if not following.record["run"]:
        return
    on_tick(record := following.now(pipeline))
    if (began := time.monotonic()) >= page.due and any(stage["state"] not in {"hit", "pending"} for stage in record["stages"].values()):
        write_page(store, record)
        ended_at = time.monotonic()
        page.due = ended_at + max(PAGE_S, PAGE_SHARE * (ended_at - began))


def write_page(store: Store, record: Record) -> str:
    """Writes the run's page; a page that can't be written never ends a run, it says so instead of where it is."""
    from lading.report.write import write

    try:
        return write(store, str(record["run"]), record=record)
    except LadingError as error:
        return f"not written: {error.message}"
    except Exception as error:  # noqa: BLE001 - a bug in a page is not worth a run
        return f"not written: {type(error).__name__}: {error} (a bug in lading; `lading report --debug` shows where)"


def live_record(store: Store, run: str) -> Record:
    """The live view of a run, as data; a stage that was tried before has `before`, how those attempts ended."""
    from lading.launch.status import status

    data: Record = status(store, run).to_data()
    for stage in data["stages"].values():
        if before := tried_before(store, stage, run):
            stage["before"] = before
    data["stages"] = in_order(data["stages"], pipeline_of(read_json(store, RunPlaces(run).plan) or {}))
    return data
