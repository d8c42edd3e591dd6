"""A run as its documents tell it: the record of each stage, progress.json while it runs, run.json when it has ended."""

import json
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from lading.config.pipeline import Pipeline
from lading.errors import ManifestError
from lading.frozen import Frozen
from lading.manifest.reading import check_version
from lading.plan.build import PlannedStage
from lading.plan.gates import Judged
from lading.plan.selection import Selection
from lading.store.base import Store

StageStateName = Literal["pending", "running", "hit", "succeeded", "gate_failed", "failed", "skipped", "cancelled"]
RunState = Literal["running", "interrupted", "succeeded", "gate_failed", "failed", "cancelled"]
GOOD: frozenset[str] = frozenset({"hit", "succeeded"})
ENDED: frozenset[str] = frozenset({"hit", "succeeded", "gate_failed", "failed", "skipped", "cancelled"})


class GateRecord(Frozen):
    """One bound as it was judged."""

    measurement: str
    level: str
    bound: str
    value: float | None
    ok: bool
    note: str = ""
    """Why there is no value, where the stage did not measure it."""

    @classmethod
    def of(cls, judged: Judged) -> "GateRecord":
        """From the judge's own words."""
        return cls(
            measurement=judged.measurement, level=judged.level, bound=judged.bound, value=judged.value, ok=judged.ok, note=judged.note
        )


class StageRecord(Frozen):
    """How one stage of a run stands, or ended."""

    kind: str
    key: str | None = None
    state: StageStateName = "pending"
    attempt: int | None = None
    n: int | None = None
    """The number under which its manifest stands."""
    seconds: float | None = None
    """How long its attempt took; in the live view of a running stage, since it was claimed."""
    reason: str = ""
    """Why it is in this state, for a person."""
    gates: tuple[GateRecord, ...] = ()
    run: str | None = None
    """The run that made the result, for a hit."""
    code: int | None = None
    cause: str | None = None
    message: str = ""
    where: str = ""
    traceback: str = ""
    do: str = ""
    tries: int = 0
    """Attempts that this run saw fail."""
    warnings: int = 0
    """How many its manifest holds."""
    percent: float | None = None
    eta_s: float | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    peak_memory: int | None = None


class _InOrder(Frozen):
    """A document in which stages stand as in the pipeline's file; canonical JSON, which digests need, would sort them."""

    def to_bytes(self) -> bytes:
        """The value as JSON, in its own order."""
        return json.dumps(self.to_data(), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class RunRecord(_InOrder):
    """run.json, and the same shape while the run goes on."""

    schema_: Literal["lading/run/v1"] = Field("lading/run/v1", alias="schema")
    run: str
    pipeline: str
    started: str
    finished: str = ""
    state: RunState = "running"
    """`running` and `interrupted` (it has no end, and no launcher) are never written, only shown."""
    stages: dict[str, StageRecord]
    reason: str = ""
    overrides: dict[str, Any] = Field(default_factory=dict)


class PlanRecord(_InOrder):
    """plan.json: what a run set out to do; written first, once."""

    schema_: Literal["lading/plan/v1"] = Field("lading/plan/v1", alias="schema")
    run: str
    started: str
    pipeline: Pipeline
    backend: str
    stages: dict[str, PlannedStage]
    """What was to become of each stage; the next plan says by it what changed."""
    force: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    until: str | None = None
    champions: dict[str, int] = Field(default_factory=dict)
    """Promote stage to the number of the champion that was in use."""

    @property
    def selection(self) -> Selection:
        """Which stages were asked for."""
        return Selection.of(self.force, self.only, self.until)


class RunProgress(_InOrder):
    """progress.json: the launcher's heartbeat, with the keys that it waits for and how each stage stands."""

    schema_: Literal["lading/run-progress/v1"] = Field("lading/run-progress/v1", alias="schema")
    run: str
    beat: int
    who: str
    waits: tuple[tuple[str, str], ...] = ()
    """(kind, key) of everything that this run waits for."""
    stages: dict[str, StageRecord]


F = TypeVar("F", PlanRecord, RunRecord, RunProgress)


def read_record(store: Store, key: str, model: type[F]) -> F:
    """One of a run's own documents.

    Raises:
        MissingObjectError: it is not there.
        NewerFormatError: a newer lading wrote it.
        ManifestError: it is not what lading writes.
    """
    data = store.read(key)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        where = f"{key} in {store.uri}"
        check_version(data, model, where=where)
        first = error.errors(include_url=False, include_input=False)[0]
        raise ManifestError(
            f"{where} is not what this version of lading writes: {'.'.join(map(str, first['loc']))}: {first['msg']}", do="lading doctor"
        ) from error


def run_state(stages: dict[str, StageRecord], *, cancelled: bool) -> RunState:
    """How a run ended, from how its stages did: a failure outweighs a gate."""
    states = {stage.state for stage in stages.values()}
    if "failed" in states:
        return "failed"
    if cancelled or "cancelled" in states:
        return "cancelled"
    return "gate_failed" if "gate_failed" in states else "succeeded"
