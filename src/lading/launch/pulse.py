"""A run's own heartbeat: progress.json, with the keys that it waits for and how each stage stands."""

from collections.abc import Mapping

from lading.attempt.observe import Attempt
from lading.attempt.progress import read_progress
from lading.launch.board import Entry
from lading.launch.context import Context
from lading.launch.record import RunProgress, StageRecord
from lading.names import RunPlaces
from lading.store.base import Store

BEAT_S = 8.0
"""A launcher is heard of at least so often."""
CHANGE_S = 1.0
"""A change is written no sooner than so long after the write before."""


class Pulse:
    """Writes progress.json; nothing decides by what it says but whether a key is waited for."""

    def __init__(self, run: str, store: Store, context: Context) -> None:
        self.run, self.store, self.context = run, store, context
        self._count = 0
        self._written: float | None = None
        self._changed = True

    def changed(self) -> None:
        """Something is to be told."""
        self._changed = True

    def beat(self, entries: Mapping[str, Entry], *, now: bool = False) -> None:
        """Writes it, if it is time."""
        moment = self.context.now()
        since = BEAT_S if self._written is None else moment - self._written
        if not (now or since >= BEAT_S or (self._changed and since >= CHANGE_S)):
            return
        waits = tuple((e.stage.kind, e.record.key) for e in entries.values() if e.record.state == "running" and e.record.key)
        self._count += 1
        records = {name: entry.record for name, entry in entries.items()}
        progress = RunProgress(run=self.run, beat=self._count, who=self.context.who, waits=waits, stages=records)
        self.store.write(RunPlaces(self.run).progress, progress.to_bytes())
        self._written, self._changed = moment, False


def with_progress(store: Store, record: StageRecord, attempt: Attempt) -> StageRecord:
    """The record with what the attempt's first pod says of itself."""
    said = read_progress(store, attempt.id, min(attempt.beats, default="0"))
    if said is None:
        return record
    return record.but(percent=said.percent, eta_s=said.eta_s, metrics=said.metrics, peak_memory=said.peak_memory)
