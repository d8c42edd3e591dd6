"""What may go from a store: decided from facts alone, shown, and then done; what any run, champion or attempt may still need stays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lading.manifest.model import Manifest, Void
from lading.names import AttemptId
from lading.store.base import Leftover, Stat

GRACE_S = 3600.0
"""Nothing is deleted sooner after it was voided or judged, so that a run that had planned to use it still finds it."""
REASON = "gc: no run that is kept, and no champion, reaches it"
Node = tuple[str, str]
"""Kind and key."""


@dataclass(frozen=True, slots=True)
class RunFact:
    """What is seen of one run."""

    run: str
    pipeline: str = ""
    finished: float | None = None
    """When its run.json was written, by the store's clock; None: it goes on, or nobody ended it."""
    pinned: bool = False
    mentions: frozenset[str] = frozenset()
    """Every sha256 in its documents: keys, results and user files alike."""
    objects: tuple[Stat, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordFact:
    """One number of a key: a manifest, a void, or (None) what is refused and left alone."""

    n: int
    record: Manifest | Void | None
    modified: float


@dataclass(frozen=True, slots=True)
class AttemptFact:
    """What is seen of one attempt."""

    judged: float | None = None
    """When its verdict was written; None: it may live."""
    objects: tuple[Stat, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketFact:
    """An attempt that waits for a runner."""

    attempt: AttemptId
    run: str | None
    """Whose; None: the ticket is refused."""
    stat: Stat


@dataclass(frozen=True, slots=True)
class Facts:
    """What a survey of a store found; times are the store's own."""

    now: float
    runs: Mapping[str, RunFact] = field(default_factory=dict)
    records: Mapping[Node, tuple[RecordFact, ...]] = field(default_factory=dict)
    """In the order of their numbers."""
    attempts: Mapping[AttemptId, AttemptFact] = field(default_factory=dict)
    champions: frozenset[str] = frozenset()
    """Every sha256 in the entries that are kept: the champion of each alias, and the one before it for a rollback."""
    champion_runs: frozenset[str] = frozenset()
    """The runs that those entries name: their pages and logs say where the model in use comes from."""
    files: Mapping[str, Stat] = field(default_factory=dict)
    """User files by their sha256."""
    scraps: tuple[Stat, ...] = ()
    """What probes left."""
    tickets: tuple[TicketFact, ...] = ()
    runners: tuple[Stat, ...] = ()
    """What runners said of themselves; a runner that lives says it again every few seconds."""
    leftovers: tuple[Leftover, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person wants kept."""

    older_than_s: float = 30 * 86400.0
    keep_last: int = 10
    """Of each pipeline's finished runs."""
    grace_s: float = GRACE_S


@dataclass(frozen=True, slots=True)
class Decision:
    """What gc will do, in this order."""

    runs: tuple[RunFact, ...] = ()
    voids: tuple[tuple[Node, int], ...] = ()
    attempts: Mapping[AttemptId, tuple[Stat, ...]] = field(default_factory=dict)
    files: tuple[Stat, ...] = ()
    scraps: tuple[Stat, ...] = ()
    """Small things that nobody waits for: of probes, void tickets, the last words of runners that are gone."""
    leftovers: tuple[Leftover, ...] = ()

    @property
    def size(self) -> int:
        """Bytes that it frees, unfinished uploads not counted."""
        groups = (*self.attempts.values(), self.files, self.scraps, *(run.objects for run in self.runs))
        return sum(stat.size for group in groups for stat in group)

    def lines(self) -> list[str]:
        """One sentence for each act; what a dry run prints."""
        return [
            *(f"drop run {run.run} ({run.pipeline})" for run in self.runs),
            *(f"void {kind}/{key[:12]} number {n}" for (kind, key), n in self.voids),
            *(f"delete {len(stats)} objects of {at.kind}/{at.key[:12]} attempt {at.number}" for at, stats in self.attempts.items()),
            *(f"delete user file {stat.key.removeprefix('files/')[:12]}" for stat in self.files),
            *(f"delete {stat.key}" for stat in self.scraps),
            *(f"end the unfinished upload of {leftover.key or leftover.token}" for leftover in self.leftovers),
        ]


def decide(facts: Facts, policy: Policy) -> Decision:
    """What may go. Pure: the same facts and policy give the same decision."""
    dropped = _dropped(facts, policy)
    gone = {run.run for run in dropped}
    kept = [run for run in facts.runs.values() if run.run not in gone]
    mentioned = frozenset(facts.champions).union(*(run.mentions for run in kept))
    reached = _reached(facts, mentioned, live={run.run for run in kept if run.finished is None})
    held = _reached(facts, facts.champions.union(*(run.mentions for run in kept if run.pinned)), live=set())
    old, aged = facts.now - policy.older_than_s, facts.now - policy.grace_s
    recent = min(old, aged)
    return Decision(
        runs=tuple(dropped),
        voids=tuple(_voids(facts, reached, old)),
        attempts=_bytes(facts, reached, held, aged=aged, old=recent),
        files=tuple(stat for digest, stat in sorted(facts.files.items()) if digest not in mentioned and stat.modified < recent),
        scraps=(
            *(stat for stat in facts.scraps if stat.modified < aged),
            *(ticket.stat for ticket in facts.tickets if ticket.stat.modified < recent and _void(facts, ticket)),
            *(stat for stat in facts.runners if stat.modified < recent),
        ),
        leftovers=tuple(leftover for leftover in facts.leftovers if leftover.modified < aged and not _may_live(facts, leftover)),
    )


def _dropped(facts: Facts, policy: Policy) -> list[RunFact]:
    """Finished runs that are old, not pinned, not a champion's, and not among the last of their pipeline."""
    finished: dict[str, list[tuple[float, str]]] = {}
    for run in facts.runs.values():
        if run.finished is not None:
            finished.setdefault(run.pipeline, []).append((run.finished, run.run))
    last = {name for runs in finished.values() for _, name in sorted(runs, reverse=True)[: policy.keep_last]}
    old = facts.now - policy.older_than_s
    return [
        run
        for name, run in sorted(facts.runs.items())
        if run.finished is not None and run.finished < old and not run.pinned and name not in last | facts.champion_runs
    ]


def _reached(facts: Facts, mentioned: Iterable[str], *, live: set[str]) -> set[Node]:
    """Every result that is mentioned, was made by a run that goes on, or was an input of one that is reached."""
    known = set(mentioned)
    todo = [
        node
        for node, records in facts.records.items()
        if node[1] in known
        or any(
            isinstance(fact.record, Manifest) and (fact.record.result in known or fact.record.provenance.run in live) for fact in records
        )
    ]
    reached: set[Node] = {(at.kind, at.key) for at in facts.attempts if at.key in known}
    reached.update(todo)
    while todo:
        for fact in facts.records.get(todo.pop(), ()):
            inputs = fact.record.inputs.values() if isinstance(fact.record, Manifest) else ()
            new = {(ref.kind, ref.key) for ref in inputs} - reached
            reached |= new
            todo.extend(new)
    return reached


def _voids(facts: Facts, reached: set[Node], old: float) -> Iterable[tuple[Node, int]]:
    """Standing manifests that nothing reaches and that are as old as the runs that go."""
    for node, records in sorted(facts.records.items()):
        if node not in reached and isinstance(records[-1].record, Manifest) and records[-1].modified < old:
            yield node, records[-1].n


def _bytes(facts: Facts, reached: set[Node], held: set[Node], *, aged: float, old: float) -> dict[AttemptId, tuple[Stat, ...]]:
    """What may go of each attempt of which something may."""
    ordered = sorted(facts.attempts, key=lambda at: (at.kind, at.key, at.number))
    found = ((at, _of_attempt(facts, at, reached, held, aged=aged, old=old)) for at in ordered)
    return {at: stats for at, stats in found if stats}


def _of_attempt(facts: Facts, at: AttemptId, reached: set[Node], held: set[Node], *, aged: float, old: float) -> tuple[Stat, ...]:
    """What of an attempt may go. Claim, outcomes and verdict always stay: they keep its number from being given again.

    Of a voided result: all else, a grace after the void, unless a champion or a pinned run goes back to it (`held`).
    Of a failed attempt: what it made, a grace after its verdict; its
    training states when its key has a result; its logs too when no run that is kept reaches it.
    """
    node, attempt = (at.kind, at.key), facts.attempts[at]
    records = facts.records.get(node, ())
    if any(fact.record is None for fact in records):
        return ()
    own = [fact for fact in records if isinstance(fact.record, Manifest) and fact.record.attempt == at.number]
    if own:
        voided = [fact.modified for fact in records if isinstance(fact.record, Void) and fact.record.voids in {fact.n for fact in own}]
        if node in held or len(voided) < len(own) or max(voided) >= aged:
            return ()
        return _under(attempt, at, "artifacts/", "checkpoints/", "logs/", "progress-")
    if attempt.judged is None or attempt.judged >= aged:
        return ()
    stands = bool(records) and isinstance(records[-1].record, Manifest)
    if node not in reached and attempt.judged < old:
        return _under(attempt, at, "artifacts/", "checkpoints/", "logs/", "progress-")
    return _under(attempt, at, "artifacts/", *(["checkpoints/"] if stands else []))


def _under(attempt: AttemptFact, at: AttemptId, *parts: str) -> tuple[Stat, ...]:
    return tuple(stat for stat in attempt.objects if stat.key.startswith(tuple(at.prefix + part for part in parts)))


def _void(facts: Facts, ticket: TicketFact) -> bool:
    """Whether nobody waits for it: its attempt is judged, its key has a result, its run has ended, or is no longer in the store.

    Another run that waits for the same attempt offers it again.
    """
    at = ticket.attempt
    records = facts.records.get((at.kind, at.key), ())
    if facts.attempts.get(at, AttemptFact()).judged is not None or (records and isinstance(records[-1].record, Manifest)):
        return True
    run = facts.runs.get(ticket.run or "")
    return ticket.run is not None and (run is None or run.finished is not None)


def _may_live(facts: Facts, leftover: Leftover) -> bool:
    """Whether an unfinished upload is that of an attempt that nobody judged and that has no result yet."""
    parts = leftover.key.split("/")
    if len(parts) < 5 or parts[0] != "attempts" or not parts[3].isdigit():
        return False
    at = AttemptId(parts[1], parts[2], int(parts[3]))
    done = any(isinstance(fact.record, Manifest) and fact.record.attempt == at.number for fact in facts.records.get((at.kind, at.key), ()))
    return not done and facts.attempts.get(at, AttemptFact()).judged is None
