"""What a launcher does about one attempt: claims it, begins it, judges it, goes back to a need whose result is gone, tells of it."""

import contextlib
from collections.abc import Callable, Mapping

from lading.attempt.claims import claim as take
from lading.attempt.observe import Attempt
from lading.attempt.records import Cause, Claim, Verdict
from lading.attempt.verdict import judge, lost, unstartable
from lading.backends.base import Backend
from lading.codes import Code
from lading.errors import ClusterError, LadingError, StoreError
from lading.launch import damage
from lading.launch.board import Entry
from lading.launch.context import Context
from lading.launch.decide import Act
from lading.launch.events import Event
from lading.launch.pulse import Pulse, with_progress
from lading.launch.record import PlanRecord, StageRecord
from lading.logs import get_logger
from lading.manifest import handoff
from lading.manifest.model import InputRef
from lading.names import AttemptId
from lading.plan.job import JobSpec
from lading.store.base import Store

log = get_logger()


class Acts:
    """The acts of one launcher in one run.

    Args:
        plan: the run's plan.json.
        store: of this thread.
        backend: where its attempts run.
        context: clock and chance.
        on_event: hears every change of a stage.
    """

    def __init__(self, plan: PlanRecord, store: Store, backend: Backend, context: Context, on_event: Callable[[Event], None]) -> None:
        self.plan, self.store, self.backend, self.context, self.on_event = plan, store, backend, context, on_event
        used = [name for name, planned in plan.stages.items() if planned.selected or planned.state == "hit"]
        stages = plan.pipeline.stages
        self.entries = {name: Entry(stages[name], StageRecord(kind=stages[name].kind)) for name in used}
        self.pulse = Pulse(plan.run, store, context)

    def _claim(self, name: str, entry: Entry, number: int, inputs: Mapping[str, InputRef]) -> None:
        """Takes the next number and begins it, if what it is made of is still whole."""
        if lost_need := self._incomplete(entry, inputs):
            self._go_back(lost_need, "an artifact of its result is gone from the store")
            return
        job = self._job(name, entry, number, self.context.token(), inputs)
        resources = entry.stage.resources
        shown = {"cpu": resources.cpu, "memory": resources.memory, "gpus": resources.gpus}
        holder = self.backend.holder(job)
        claim = Claim(
            kind=job.kind,
            key=job.key,
            n=number,
            nonce=job.nonce,
            run=self.plan.run,
            stage=name,
            holder=holder,
            pods=resources.nodes if holder.backend == "kubernetes" else 1,
            resources=dict(shown),
        )
        entry.job = job
        if not take(self.store, claim):
            return  # another launcher's: it is waited for
        entry.counted.add(number)
        log.debug("attempt.claimed", run=self.plan.run, stage=name, attempt=number)
        self._submit(name, entry, job)

    def _incomplete(self, entry: Entry, inputs: Mapping[str, InputRef]) -> Entry | None:
        """A need whose artifacts are not all there: its manifest is voided, so that it is made again."""
        for role, ref in inputs.items():
            need = self.entries[entry.stage.needs[role]]
            if need.record.state != "hit" or need.manifest is None:
                continue
            if missing := handoff.missing(self.store, need.manifest):
                handoff.void(self.store, ref.kind, ref.key, n=ref.n, reason=f"{missing[0]} is not in the store", run=self.plan.run)
                return need
        return None

    def _job(self, name: str, entry: Entry, number: int, nonce: str, inputs: Mapping[str, InputRef]) -> JobSpec:
        stage = entry.stage
        assert entry.ingredients
        return JobSpec(
            run=self.plan.run,
            stage=name,
            kind=stage.kind,
            key=entry.ingredients.key,
            attempt=number,
            nonce=nonce,
            store=self.store.uri,
            settings=stage.settings.to_data(),
            outside=stage.outside,
            inputs=dict(inputs),
            fingerprint=entry.ingredients.fingerprint,
            resources=stage.resources,
        )

    def _submit(self, name: str, entry: Entry, job: JobSpec) -> None:
        record = entry.record.but(state="running", attempt=job.attempt, reason="", tries=max(0, len(entry.counted) - 1))
        try:
            self.backend.submit(job)
        except (StoreError, ClusterError):
            raise  # out of reach for a while: nothing is known, and it is tried again
        except LadingError as error:
            code = error.code if error.code in set(Code) else Code.FAILED
            verdict = unstartable(error.message, code=code, do=error.do, run=self.plan.run, nonce=self.context.token())
            with contextlib.suppress(LadingError):
                self.store.write(job.id.verdict, verdict.to_bytes(), if_absent=True)
        entry.submitted.add(job.attempt)
        entry.job = None
        entry.began = self.context.now()
        self._say(name, entry, record)

    def _judge(self, name: str, entry: Entry, last: Attempt, act: Act, inputs: Mapping[str, InputRef]) -> None:
        run, nonce = self.plan.run, self.context.token()
        if act.what == "lose":
            verdict = lost(act.why, run=run, nonce=nonce)
        else:
            verdict = judge(act.outcomes or {}, pods=last.claim.pods, run=run, nonce=nonce)
        if verdict.cause is Cause.DAMAGED_INPUT and verdict.need in inputs:
            self._look_at_damage(entry, verdict, inputs[str(verdict.need)])
        self._write_verdict(last, verdict)
        if act.what == "lose":
            self.backend.stop(last.claim, grace_s=0)
        self._say(name, entry, entry.record.but(reason=f"attempt {last.number} ended: {verdict.message.splitlines()[0]}"))

    def _look_at_damage(self, entry: Entry, verdict: Verdict, ref: InputRef) -> None:
        """65: the launcher reads the artifact itself; what is damaged is voided and made again."""
        if damage.is_damaged(self.store, ref, str(verdict.artifact)):
            reason = f"the artifact {verdict.artifact} is damaged"
            handoff.void(self.store, ref.kind, ref.key, n=ref.n, reason=reason, run=self.plan.run)
            self._go_back(self.entries[entry.stage.needs[str(verdict.need)]], reason)

    def _go_back(self, need: Entry, reason: str) -> None:
        """A result no longer counts: it is made again, and all that was made of it is looked at anew, with the key that it has then."""
        again = {need.stage.name}
        need.reset(reason)
        for name, entry in self.entries.items():
            if again & set(entry.stage.needs.values()):
                again.add(name)
                entry.reset(f"{need.stage.name} is made again")
                entry.ingredients = None

    def _write_verdict(self, last: Attempt, verdict: Verdict) -> None:
        place = AttemptId(last.claim.kind, last.claim.key, last.number).verdict
        self.store.write(place, verdict.to_bytes(), if_absent=True)
        log.info("attempt.judged", run=self.plan.run, stage=last.claim.stage, attempt=last.number, cause=str(verdict.cause))

    def _show(self, name: str, entry: Entry, last: Attempt, note: str) -> None:
        """A running attempt: how far it is, read only when its heartbeat moved."""
        record = entry.record.but(state="running", attempt=last.number, reason=note)
        if last.verdict is None and entry.beats != last.beats:
            entry.beats = last.beats
            record = with_progress(self.store, record, last)
        if last.claim.run != self.plan.run and not note:
            record = record.but(reason=f"waits for run {last.claim.run}, which is making it")
        self._say(name, entry, record)

    def _say(self, name: str, entry: Entry, record: StageRecord) -> None:
        if record == entry.record:
            return
        entry.record = record
        self.pulse.changed()
        self.on_event(Event(self.plan.run, name, record))
