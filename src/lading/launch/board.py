"""One stage of a walk: what is known of it, and the record that people see."""

from dataclasses import dataclass, field
from datetime import datetime

from lading.attempt.observe import Attempt
from lading.attempt.records import Verdict
from lading.config.pipeline import Stage
from lading.launch.record import ENDED, GOOD, GateRecord, StageRecord
from lading.manifest.model import InputRef, Manifest
from lading.plan.gates import judge, state
from lading.plan.job import JobSpec
from lading.plan.key import Ingredients


@dataclass(slots=True)
class Entry:
    """What a walk keeps of a stage between two looks; all of it can be read again."""

    stage: Stage
    record: StageRecord
    ingredients: Ingredients | None = None
    ref: InputRef | None = None
    """The result that stands, once it is known."""
    manifest: Manifest | None = None
    counted: set[int] = field(default_factory=set)
    """Attempts that this run waited for."""
    verdict_seen: dict[int, float] = field(default_factory=dict)
    """When each verdict was first seen, on this launcher's clock."""
    jitter: dict[int, float] = field(default_factory=dict)
    submitted: set[int] = field(default_factory=set)
    began: float = float("-inf")
    """When this launcher submitted the newest, on its own clock."""
    job: JobSpec | None = None
    """What was claimed and not submitted yet: a claim may stand though no answer came when it was written."""
    beats: object = None
    looked: float = 0.0
    """When the store was last asked about its attempts, while many stages are in flight."""
    mark: str = ""
    """What its backend gave then; see `Sight.mark`."""
    looked_for_manifest: float | None = None
    voided: bool = False
    """Whether its result was voided during this walk."""
    attempt: Attempt | None = None
    """The newest, as it was last seen."""

    @property
    def over(self) -> bool:
        """Whether the stage has come to its end in this run."""
        return self.record.state in ENDED

    @property
    def good(self) -> bool:
        """Whether stages behind it may start."""
        return self.record.state in GOOD

    def forget_attempts(self) -> None:
        """It has another key now: numbers of attempts at the old one mean nothing."""
        for numbers in (self.counted, self.verdict_seen, self.jitter, self.submitted):
            numbers.clear()
        self.job = None

    def reset(self, reason: str) -> None:
        """Back to the start: its result no longer counts."""
        self.ref = self.manifest = self.attempt = self.looked_for_manifest = None
        self.mark = ""
        self.voided = True
        self.record = StageRecord(kind=self.stage.kind, key=self.record.key, reason=reason)


def ended_well(entry: Entry, manifest: Manifest, n: int, run: str) -> StageRecord:
    """The record of a stage whose manifest stands, gates judged."""
    judged = judge(entry.stage.gates, manifest.measurements)
    made_here = manifest.provenance.run == run
    verdict = state(judged)
    broken = [
        f"{one.measurement} {one.note or f'is {_number(one.value)}'}, and the gate asks {one.bound}"
        for one in judged
        if one.level == "must" and not one.ok
    ]
    return StageRecord(
        kind=manifest.kind,
        key=manifest.key,
        state="gate_failed" if verdict == "fail" else "succeeded" if made_here or entry.counted else "hit",
        attempt=manifest.attempt,
        n=n,
        seconds=_seconds(manifest),
        reason="; ".join(broken) or ("" if made_here else f"made by run {manifest.provenance.run}" if manifest.provenance.run else ""),
        gates=tuple(GateRecord.of(one) for one in judged),
        run=manifest.provenance.run,
        tries=sum(1 for number in entry.counted if number != manifest.attempt),
        warnings=len(manifest.warnings),
    )


def ended_badly(entry: Entry, verdict: Verdict, why: str, attempt: Attempt) -> StageRecord:
    """The record of a stage that this run gives up."""
    outcome = attempt.outcomes.get(verdict.pod)
    return StageRecord(
        kind=entry.stage.kind,
        key=entry.record.key,
        state="failed",
        attempt=attempt.number,
        seconds=outcome.seconds if outcome else None,
        reason=f"{verdict.cause}: {why.splitlines()[0] if why else verdict.message}",
        code=int(verdict.code),
        cause=str(verdict.cause),
        message=why or verdict.message,
        where=verdict.where,
        traceback=verdict.traceback,
        do=verdict.do,
        tries=len(entry.counted),
        peak_memory=outcome.peak_memory if outcome else None,
    )


def _seconds(manifest: Manifest) -> float | None:
    try:
        begun, ended = (datetime.fromisoformat(text) for text in (manifest.provenance.started, manifest.provenance.finished))
    except ValueError:
        return None
    return max(0.0, round((ended - begun).total_seconds(), 3))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}"
