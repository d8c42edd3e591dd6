"""The runs in a store: their ids, and a line about each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lading.errors import NotFoundError, UserError
from lading.ledger.documents import record_of
from lading.ledger.manifests import Manifests
from lading.ledger.silence import interrupted
from lading.plan.order import oldest_first
from lading.store.base import Store


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in a line."""

    run: str
    pipeline: str
    state: str
    started: str
    finished: str
    stages: Mapping[str, str] = field(default_factory=dict)
    """Stage to state."""

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "run": self.run,
            "pipeline": self.pipeline,
            "state": self.state,
            "started": self.started,
            "finished": self.finished,
            "stages": dict(self.stages),
        }


def run_ids(store: Store, *, ended: bool = True) -> list[str]:
    """Every run of the store, oldest first; without `ended`, those that have no end. One LIST."""
    found = [stat for stat in store.list("runs/") if stat.key.endswith(("/plan.json", "/run.json"))]
    over = set() if ended else {stat.key.split("/")[1] for stat in found if stat.key.endswith("/run.json")}
    return [run for run in oldest_first(found) if run not in over]


def summary_of(record: Mapping[str, Any]) -> Summary:
    """A record in a line."""
    return Summary(
        run=str(record.get("run", "")),
        pipeline=str(record.get("pipeline", "")),
        state=str(record.get("state", "")),
        started=str(record.get("started", "")),
        finished=str(record.get("finished") or ""),
        stages={name: str(stage.get("state", "")) for name, stage in (record.get("stages") or {}).items()},
    )


def runs(store: Store, *, last: int | None = None, pipeline: str | None = None) -> list[Summary]:
    """Runs, newest first.

    Args:
        store: where.
        last: no more than so many.
        pipeline: of this pipeline alone.
    """
    found: list[Summary] = []
    for run in reversed(run_ids(store)):
        if last is not None and len(found) >= last:
            break
        record = record_of(store, run)
        summary = summary_of(record)
        if pipeline is None or summary.pipeline == pipeline:
            if summary.state == "running" and interrupted(store, run):
                summary = summary_of({**record, "state": "interrupted"})
            found.append(summary)
    return found


def measurements(manifests: Manifests, record: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Stage to measurements, of every stage of a run that has a result."""
    found: dict[str, dict[str, float | None]] = {}
    stages = record.get("stages") or {}
    manifests.fetch(stages.values())
    for name, stage in stages.items():
        if (standing := manifests.of(stage)) is not None:
            found[name] = dict(standing[1].measurements)
    return found


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UserError("to_frame needs pandas, which is not installed", do="pip install 'lading[report]'") from error
    return pandas


def run_frame(store: Store, record: Mapping[str, Any]) -> Any:
    """One row a stage of one run: state, seconds, measurements."""
    numbers = measurements(Manifests(store), record)
    rows = [
        {"stage": name, "state": stage.get("state"), "seconds": stage.get("seconds"), **numbers.get(name, {})}
        for name, stage in (record.get("stages") or {}).items()
    ]
    frame = _pandas().DataFrame(rows)
    return frame.set_index("stage") if rows else frame


def find_run(store: Store, text: str) -> str:
    """The id of the run that `last`, an id or the beginning of one means.

    Raises:
        NotFoundError: there is none, or several.
    """
    ids = run_ids(store)
    # A launcher that was submitted to a cluster writes its run when its pod begins; it alone knows why it does not.
    begun = f"; one that was submitted: kubectl get pods -l lading/run={text}" if re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]+", text) else ""
    if not ids:
        raise NotFoundError(f"no runs in {store.uri}", do=f"lading run FILE starts one; --store says where to look{begun}")
    if text in {"last", "latest"}:
        return ids[-1]
    fitting = [run for run in ids if run == text] or [run for run in ids if text and run.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotFoundError(f"{text!r} is the beginning of {len(fitting)} runs: {', '.join(fitting[:5])}", do="write more of the id")
    raise NotFoundError(f"no run {text!r} in {store.uri}", do=f"the newest is {ids[-1]}; lading runs lists all{begun}")
