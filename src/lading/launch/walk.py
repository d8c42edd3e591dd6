"""The walk of one run over its pipeline: looks, decides, acts, a step at a time; all it keeps can be read again from the store."""

from collections.abc import Callable, Iterable, Mapping

from lading.attempt.observe import Attempt, Cache, Watch, attempts
from lading.attempt.verdict import judge
from lading.backends.base import Backend, Sight
from lading.codes import Code
from lading.errors import LadingError, ManifestError, NewerFormatError, StoreError
from lading.launch import damage, promotion
from lading.launch.acts import Acts
from lading.launch.board import Entry, ended_badly, ended_well
from lading.launch.context import Context
from lading.launch.decide import UNSEEN, Act, Facts, next_act
from lading.launch.events import Event
from lading.launch.record import PlanRecord, StageRecord
from lading.manifest import handoff
from lading.manifest.model import InputRef, Manifest
from lading.plan.build import Fingerprints, ingredients
from lading.plan.fingerprint import parts
from lading.plan.records import Records
from lading.store.base import Store

MANIFEST_EVERY_S = 5.0
"""How often a stage that runs is asked whether another attempt's manifest stands."""
LOOKS_PER_S = 50.0
"""With more stages in flight the store is asked about each of them less often, as long as its backend is told of no change."""
LONGEST_UNSEEN_S = 20.0
"""A third of the time after which an attempt is taken for dead."""
BREATH_S = 2.0
"""A step is left after so long, so that a launcher with much to start is heard of, and hears that it is cancelled."""


class Walk(Acts):
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
        super().__init__(plan, store, backend, context, on_event)
        self.fingerprints = fingerprints
        self.watch = Watch(stale_s=context.stale_s)
        self.cache: Cache = {}
        self.records = records or Records.listed(store)
        """What stood when the walk began, by one LIST; whoever finds nothing in it looks again."""
        for planned in plan.stages.values():
            if planned.overrule and planned.key:  # again after a restart: the number is taken then, by this very void
                handoff.void(store, planned.kind, planned.key, n=planned.overrule, reason=planned.why, run=plan.run)
                self.records.forget((planned.kind, planned.key))
        self.rest: dict[str, None] = {}
        """Stages that the last step did not come to."""
        self.pace = 0.0
        """For how long the store need not be asked about a stage that runs as before."""
        self.behind: dict[str, list[str]] = {name: [] for name in self.entries}
        """Stage to the stages that need it."""
        for name, entry in self.entries.items():
            for need in dict.fromkeys(entry.stage.needs.values()):
                if need in self.behind:
                    self.behind[need].append(name)

    @property
    def over(self) -> bool:
        """Whether every stage has come to its end."""
        return all(entry.over for entry in self.entries.values())

    def step(self) -> bool:
        """Looks at every stage once and does what can be done now, or as much of it as a breath is long for; True when all is over."""
        todo, until = self.rest or dict.fromkeys(self.entries), self.context.now() + BREATH_S
        self.pace = self._pace()
        while todo:
            name = next(iter(todo))
            del todo[name]
            entry = self.entries[name]
            if not entry.over and not self._quiet(entry) and self._advance(name, entry):
                todo |= dict.fromkeys(self.behind[name])  # its end lets those behind it go on at once
            if self.context.now() > until:
                break
        self.rest = todo
        self.pulse.beat(self.entries)
        return self.over

    def _pace(self) -> float:
        running = sum(entry.record.state == "running" for entry in self.entries.values())
        return min(running / LOOKS_PER_S, LONGEST_UNSEEN_S) if running > LOOKS_PER_S else 0.0

    def _quiet(self, entry: Entry) -> bool:
        """Whether its backend, which is told of every change, was told of none since the store was last asked, a short while ago."""
        if not self.pace or entry.attempt is None:
            return False
        now, mark = self.context.now(), self.backend.look(entry.attempt.claim).mark
        if mark and mark == entry.mark and now - entry.looked < self.pace:
            return True
        entry.looked, entry.mark = now, mark  # before the store is asked: what happens meanwhile is seen the next time
        return False

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
        except NewerFormatError:
            raise  # others can use it
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
        return before is None or entry.attempt is None or self.context.now() - before >= max(MANIFEST_EVERY_S, 3 * self.pace)

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
        self._do(name, entry, act, seen, inputs)

    def _facts(self, entry: Entry, seen: Mapping[int, Attempt], sight: Sight | None = None) -> Facts:
        last = seen[max(seen)] if seen else None
        waited = 0.0
        stale = False
        if last is not None:
            entry.attempt = last
            if last.verdict is None:
                entry.counted.add(last.number)
                stopped = any(outcome.code is Code.STOPPED for outcome in last.outcomes.values())  # what was seen of it may say why
                if sight is None and (stopped or not last.ended):
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
            completes=self.backend.completes,
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


def _because(broken: Iterable[Entry]) -> str:
    words = {"failed": "failed", "gate_failed": "did not pass its gate", "skipped": "was skipped", "cancelled": "was cancelled"}
    return ", ".join(f"{entry.stage.name} {words[entry.record.state]}" for entry in broken)
