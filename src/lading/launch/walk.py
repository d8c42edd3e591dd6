"""The walk of one run over its pipeline: looks, decides, acts, a step at a time; all it keeps can be read again from the store."""

import contextlib
from collections.abc import Callable, Iterable, Mapping

from lading.attempt.claims import claim as take
from lading.attempt.observe import Attempt, Cache, Watch, attempts
from lading.attempt.records import Cause, Claim, Verdict
from lading.attempt.verdict import judge, lost, unstartable
from lading.backends.base import Backend, Sight
from lading.codes import Code
from lading.errors import ClusterError, LadingError, ManifestError, StoreError
from lading.launch import damage, promotion
from lading.launch.board import Entry, ended_badly, ended_well
from lading.launch.context import Context
from lading.launch.decide import UNSEEN, Act, Facts, next_act
from lading.launch.events import Event
from lading.launch.pulse import Pulse
from lading.launch.record import PlanRecord, StageRecord
from lading.logs import get_logger
from lading.manifest import handoff
from lading.manifest.model import InputRef, Manifest
from lading.names import AttemptId
from lading.plan.build import Fingerprints, ingredients
from lading.plan.fingerprint import parts
from lading.plan.job import JobSpec
from lading.plan.records import Records
from lading.store.base import Store

MANIFEST_EVERY_S = 5.0
"""How often a stage that runs is asked whether another attempt's manifest stands."""
log = get_logger()


class Walk:
    """One launcher's work on one run.

    Args:
        plan: the run's plan.json.
        store: of this thread.
        backend: where its attempts run.
        context: clock and chance.
        on_event: hears every change of a stage.
        fingerprints: of each kind where its stages will run.
        records: what the store held when the run was planned, just now.
    """

    def __init__(
        self,
        plan: PlanRecord,
        store: Store,
        backend: Backend,
        context: Context,
        on_event: Callable[[Event], None] = lambda _: None,
        fingerprints: Fingerprints = parts,
        records: Records | None = None,
    ) -> None:
        self.plan, self.store, self.backend, self.context, self.on_event = plan, store, backend, context, on_event
        stages = plan.pipeline.stages
        self.fingerprints = fingerprints
        used = [name for name, planned in plan.stages.items() if planned.selected or planned.state == "hit"]
        self.entries = {name: Entry(stages[name], StageRecord(kind=stages[name].kind)) for name in used}
        self.watch = Watch(stale_s=context.stale_s)
        self.cache: Cache = {}
        self.records = records or Records.listed(store)
        """What stood when the walk began, by one LIST; whoever finds nothing in it looks again."""
        for planned in plan.stages.values():
            if planned.overrule and planned.key:  # again after a restart: the number is taken then, by this very void
                handoff.void(store, planned.kind, planned.key, n=planned.overrule, reason=planned.why, run=plan.run)
                self.records.forget((planned.kind, planned.key))
        self.behind: dict[str, list[str]] = {name: [] for name in used}
        """Stage to the stages that need it."""
        for name in used:
            for need in dict.fromkeys(stages[name].needs.values()):
                if need in self.behind:
                    self.behind[need].append(name)
        self.pulse = Pulse(plan.run, store, context)

    @property
    def over(self) -> bool:
        """Whether every stage has come to its end."""
        return all(entry.over for entry in self.entries.values())

    def step(self) -> bool:
        """Looks at every stage once and does what can be done now; True when all is over."""
        todo = dict.fromkeys(self.entries)
        while todo:
            name = next(iter(todo))
            del todo[name]
            entry = self.entries[name]
            if not entry.over and self._advance(name, entry):  # its end lets those behind it go on at once
                todo |= dict.fromkeys(self.behind[name])
        self.pulse.beat(self.entries)
        return self.over

    def _advance(self, name: str, entry: Entry) -> bool:
        """What can be done for one stage now; whether it is over then."""
        needs = {role: self.entries[need] for role, need in entry.stage.needs.items()}
        if broken := [need for need in needs.values() if need.over and not need.good]:
            self._say(name, entry, entry.record.but(state="skipped", reason=_because(broken)))
        elif entry.stage.from_ or all(need.good for need in needs.values()):
            self._go_on(name, entry, {role: need.ref for role, need in needs.items() if need.ref})
        return entry.over

    def _go_on(self, name: str, entry: Entry, inputs: Mapping[str, InputRef]) -> None:
        """A stage whose needs are all there."""
        stage = entry.stage
        if stage.from_:
            kind, _, key = stage.from_.partition("/")
        else:
            results = {stage.needs[role]: ref for role, ref in inputs.items()}
            entry.ingredients = entry.ingredients or ingredients(self.plan.pipeline, name, results, self.fingerprints)
            kind, key = stage.kind, entry.ingredients.key
        if entry.record.key != key:
            entry.forget_attempts()
            entry.record = entry.record.but(key=key)
        if self._due(entry):
            now = self._standing(entry, kind, key)
            if self._to_be_forced(name, now):
                handoff.void(self.store, kind, key, n=now.n, reason=f"--force {name}", run=self.plan.run)
                now = handoff.standing(self.store, kind, key)
            entry.looked_for_manifest = self.context.now()
            if now.manifest:
                self._use(name, entry, now)
                return
        if stage.from_:
            record = entry.record.but(
                state="failed", reason=f"from: {stage.from_} has no result in {self.store.uri}", do="lading runs lists what there is"
            )
            self._say(name, entry, record.but(message=record.reason))
            return
        self._attend(name, entry, inputs)

    def _standing(self, entry: Entry, kind: str, key: str) -> handoff.Standing:
        """What speaks for the key; at the first look, as it was when the walk began, if that was a manifest."""
        if entry.looked_for_manifest is None and not entry.voided:
            found = self.records.get((kind, key))
            if isinstance(found.record, Manifest):
                return handoff.Standing(found.n, manifest=found.record)
        try:
            return handoff.standing(self.store, kind, key)
        except ManifestError as error:  # nobody can use it: it is overruled, and made again
            handoff.void(self.store, kind, key, n=handoff.highest(self.store, kind, key), reason=error.message, run=self.plan.run)
            return handoff.standing(self.store, kind, key)

    def _to_be_forced(self, name: str, now: handoff.Standing) -> bool:
        """--force of a stage whose key was not known when the run was planned; known ones were voided then."""
        unknown = name in self.plan.force and self.plan.stages[name].key is None
        return unknown and now.manifest is not None and not damage.forced(self.store, now, self.plan.run)

    def _due(self, entry: Entry) -> bool:
        """Whether it is time to ask for a manifest again."""
        before = entry.looked_for_manifest
        return before is None or entry.attempt is None or self.context.now() - before >= MANIFEST_EVERY_S

    def _use(self, name: str, entry: Entry, now: handoff.Standing) -> None:
        """A manifest stands."""
        assert now.manifest
        entry.manifest, entry.ref = now.manifest, now.ref
        record = ended_well(entry, now.manifest, now.n, self.plan.run)
        if entry.stage.kind == "promote" and record.state in {"hit", "succeeded"} and now.manifest.inputs:
            record = self._promote(name, entry, record)
        self.watch.forget(now.manifest.kind, now.manifest.key)
        self._say(name, entry, record)

    def _promote(self, name: str, entry: Entry, record: StageRecord) -> StageRecord:
        bundle = self.entries[entry.stage.needs["bundle"]].ref
        assert bundle
        try:
            entry_ = promotion.fulfil(
                self.store, entry.stage.settings.to_data(), bundle, seen=self.plan.champions.get(name, 0), run=self.plan.run
            )
        except StoreError:
            raise
        except LadingError as error:
            return record.but(state="failed", reason=error.message, message=error.message, do=error.do)
        return record.but(state="succeeded", reason=f"{entry_.model}/{entry_.alias} is now entry {entry_.n}")

    def _attend(self, name: str, entry: Entry, inputs: Mapping[str, InputRef]) -> None:
        """No manifest stands: look at the attempts, and do the one thing that is to be done."""
        assert entry.record.key
        seen = attempts(self.store, entry.stage.kind, entry.record.key, cache=self.cache)
        last = seen[max(seen)] if seen else None
        if last and last.verdict is None and entry.job and last.claim.nonce == entry.job.nonce and last.number not in entry.submitted:
            self._submit(name, entry, entry.job)  # our own claim, of whose writing no answer came
            return
        facts = self._facts(entry, seen)
        act = next_act(facts)
        if act.what in {"lose", "judge", "begin"} and facts.sight.alive is False:
            # What it wrote just before it ended may not have been in the list above.
            act = next_act(self._facts(entry, attempts(self.store, entry.stage.kind, entry.record.key, cache=self.cache), facts.sight))
        if act.what != "claim" and act.number == 0 and seen:
            entry.attempt = seen[max(seen)]
        self._do(name, entry, act, seen, inputs)

    def _facts(self, entry: Entry, seen: Mapping[int, Attempt], sight: Sight | None = None) -> Facts:
        last = seen[max(seen)] if seen else None
        waited = 0.0
        stale = False
        if last is not None:
            entry.attempt = last
            if last.verdict is None:
                entry.counted.add(last.number)
                if sight is None and not last.ended:
                    sight = self.backend.look(last.claim)
                stale = self.watch.stale(last, self.context.now())
            else:
                self._recount(entry, seen)
                first = entry.verdict_seen.setdefault(last.number, self.context.now())
                waited = self.context.now() - first
        number = last.number if last else 0
        return Facts(
            attempts=seen,
            sight=sight or UNSEEN,
            stale=stale,
            counted=frozenset(entry.counted),
            retries=entry.stage.resources.retries,
            jitter=entry.jitter.setdefault(number, self.context.jitter()),
            waited_s=waited,
            completes=bool(getattr(self.backend, "completes", False)),
        )

    def _recount(self, entry: Entry, seen: Mapping[int, Attempt]) -> None:
        """What this run claimed or judged counts for it, also after a restart of its launcher."""
        run = self.plan.run
        entry.counted |= {n for n, attempt in seen.items() if attempt.claim.run == run or (attempt.verdict and attempt.verdict.by == run)}

    def _do(self, name: str, entry: Entry, act: Act, seen: Mapping[int, Attempt], inputs: Mapping[str, InputRef]) -> None:
        last = seen[max(seen)] if seen else None
        if act.what == "claim":
            self._claim(name, entry, act.number, inputs)
        elif act.what == "begin" and last:
            self._submit(name, entry, self._job(name, entry, last.number, last.claim.nonce, inputs))
        elif act.what in {"judge", "lose"} and last:
            self._judge(name, entry, last, act, inputs)
        elif act.what == "look_again" and last:
            self._look_again(name, entry, last, act)
        elif act.what == "fail" and last and last.verdict:
            self._say(name, entry, ended_badly(entry, last.verdict, act.why, last))
        elif last:
            self._show(name, entry, last, act.why)

    def _look_again(self, name: str, entry: Entry, last: Attempt, act: Act) -> None:
        """Every pod says 0, so a manifest stood when they said it."""
        assert entry.record.key
        now = handoff.standing(self.store, entry.stage.kind, entry.record.key)
        if now.manifest:
            self._use(name, entry, now)
        else:
            verdict = judge(act.outcomes or {}, pods=last.claim.pods, run=self.plan.run, nonce=self.context.token())
            self._write_verdict(last, verdict)

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
            record = self.pulse.with_progress(record, last)
        if last.claim.run != self.plan.run and not note:
            record = record.but(reason=f"waits for run {last.claim.run}, which makes it")
        self._say(name, entry, record)

    def _say(self, name: str, entry: Entry, record: StageRecord) -> None:
        if record == entry.record:
            return
        entry.record = record
        self.pulse.changed()
        self.on_event(Event(self.plan.run, name, record))


def _because(broken: Iterable[Entry]) -> str:
    words = {"failed": "failed", "gate_failed": "did not pass its gate", "skipped": "was skipped", "cancelled": "was cancelled"}
    return ", ".join(f"{entry.stage.name} {words[entry.record.state]}" for entry in broken)
