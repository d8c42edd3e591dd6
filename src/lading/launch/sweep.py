"""The hands of gc: surveys a store, and does what `gc.decide` decided."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

from lading.attempt.tickets import attempt_of, read_ticket
from lading.errors import LadingError, ManifestError, MissingObjectError, NewerFormatError, StoreError
from lading.launch.gc import REASON, AttemptFact, Decision, Facts, Node, Policy, RecordFact, RunFact, TicketFact, decide
from lading.manifest.handoff import number_of, numbered, read_record, void
from lading.names import AttemptId, RunPlaces
from lading.store.base import Stat, Store, Upkeep

PIN = "pinned.json"
"""runs/<run>/pinned.json: the run is kept, however old."""
READERS = 8
CHAMPIONS_KEPT = 2
_SHA = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_DOCUMENTS = ("plan.json", "run.json", "progress.json")
_MAX_DOCUMENT = 64 << 20


def collect(store: Store, policy: Policy, *, dry_run: bool = False, say: Callable[[str], None] = lambda _: None) -> Decision:
    """Removes what nothing needs; `say` hears one sentence for each act. A dry run says the same and changes nothing."""
    decision = decide(survey(store), policy)
    for line in decision.lines():
        say(line)
    if not dry_run:
        act(store, decision, say=say)
    return decision


def pin(store: Store, run: str) -> None:
    """Keeps a run, and all that it reaches, from gc for ever."""
    store.write(RunPlaces(run).prefix + PIN, b'{"schema":"lading/pin/v1"}', if_absent=True)


def unpin(store: Store, run: str) -> None:
    """Lets a run age as others do."""
    store.delete([RunPlaces(run).prefix + PIN])


def survey(store: Store) -> Facts:
    """Looks at everything once: one LIST, then reads of manifests, of runs and of champions."""
    upkeep = cast(Upkeep, store)
    now = upkeep.clock()
    groups: dict[str, list[Stat]] = {}
    for stat in store.list(""):
        groups.setdefault(stat.key.partition("/")[0], []).append(stat)
    with ThreadPoolExecutor(READERS, thread_name_prefix="survey") as pool:
        records = list(pool.map(lambda stat: _record(store, stat), groups.get("manifests", ())))
        runs = list(pool.map(lambda pair: _run(store, *pair), _by_part(groups.get("runs", ()), 2)))
        tickets = list(pool.map(lambda stat: _ticket(store, stat), groups.get("tickets", ())))
        entries = [stat.key for stat in _kept_champions(groups.get("champions", ()))]
        champions = list(pool.map(lambda key: _mentions(store, key), entries))
        champion_runs = list(pool.map(lambda key: _field(store, key, "run"), entries))
    by_node: dict[Node, list[RecordFact]] = {}
    for found in records:
        if found is not None:
            by_node.setdefault(found[0], []).append(found[1])
    return Facts(
        now=now,
        runs={run.run: run for run in runs},
        records={node: tuple(sorted(facts, key=lambda fact: fact.n)) for node, facts in by_node.items()},
        attempts=dict(_attempts(groups.get("attempts", ()))),
        champions=frozenset().union(*champions),
        champion_runs=frozenset(filter(None, champion_runs)),
        files={stat.key.removeprefix("files/"): stat for stat in groups.get("files", ())},
        scraps=tuple(groups.get("probe", ())),
        tickets=tuple(ticket for ticket in tickets if ticket is not None),
        runners=tuple(groups.get("runners", ())),
        leftovers=tuple(upkeep.leftovers(now)),
    )


def act(store: Store, decision: Decision, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Does it: a run's own end goes last, so that one that was half removed is still seen as finished; voids before any bytes.

    Tickets go before the runs whose end makes them void.
    """
    store.delete(stat.key for stat in decision.scraps)
    for run in decision.runs:
        end = RunPlaces(run.run).end
        store.delete(stat.key for stat in run.objects if stat.key != end)
        store.delete([end])
    for (kind, key), n in decision.voids:
        try:
            void(store, kind, key, n=n, reason=REASON, run=None)
        except (ManifestError, MissingObjectError) as error:
            say(f"left {kind}/{key[:12]} alone: {error.message}")
    for stats in decision.attempts.values():
        store.delete(stat.key for stat in stats)
    if decision.files:
        _delete_files(store, decision, say)
    for leftover in decision.leftovers:
        cast(Upkeep, store).end(leftover)


def _delete_files(store: Store, decision: Decision, say: Callable[[str], None]) -> None:
    """User files go only if no run that came meanwhile names one: it found the file there and did not store it again."""
    needed = frozenset[str]().union(*(run.mentions for run in (_run(store, *pair) for pair in _by_part(store.list("runs/"), 2))))
    for stat in decision.files:
        if stat.key.removeprefix("files/") in needed:
            say(f"kept {stat.key}: a run that began meanwhile names it")
        else:
            store.delete([stat.key])


def _by_part(stats: Iterable[Stat], parts: int) -> Iterator[tuple[str, tuple[Stat, ...]]]:
    """Objects by the first parts of their keys; what has fewer is nobody's."""
    groups: dict[str, list[Stat]] = {}
    for stat in stats:
        split = stat.key.split("/")
        if len(split) > parts:
            groups.setdefault("/".join(split[:parts]), []).append(stat)
    for prefix, group in groups.items():
        yield prefix, tuple(group)


def _record(store: Store, stat: Stat) -> tuple[Node, RecordFact] | None:
    """One manifest or void; what is refused stays None, and what is no record at all is left out."""
    if (document := numbered(stat.key)) is None:
        return None
    kind, key, n = document
    node = (kind, key)
    try:
        return node, RecordFact(n, read_record(store, *node, n), stat.modified)
    except StoreError as error:
        if not isinstance(error, MissingObjectError):
            raise
        return None
    except NewerFormatError:
        raise  # what it refers to can't be told, so nothing here may be deleted
    except LadingError:
        return node, RecordFact(n, None, stat.modified)


def _ticket(store: Store, stat: Stat) -> TicketFact | None:
    """One ticket; none where it was withdrawn since, or is no ticket at all."""
    _, platform, name = [*stat.key.split("/", 2), "", ""][:3]
    attempt = attempt_of(name)
    if attempt is None:
        return None
    try:
        ticket = read_ticket(store, platform, attempt)
    except ManifestError:
        return TicketFact(attempt, None, stat)
    return TicketFact(attempt, str(ticket.job.get("run", "")), stat) if ticket else None


def _run(store: Store, prefix: str, stats: tuple[Stat, ...]) -> RunFact:
    """One run, and every sha256 that its documents mention."""
    by_name = {stat.key[len(prefix) + 1 :]: stat for stat in stats}
    fact = RunFact(run=prefix.partition("/")[2], pinned=PIN in by_name, objects=stats)
    mentions = frozenset[str]().union(*(_mentions(store, by_name[name].key) for name in _DOCUMENTS if name in by_name))
    end = by_name.get("run.json")
    return replace(
        fact, mentions=mentions, finished=end.modified if end else None, pipeline=_field(store, end.key, "pipeline") if end else ""
    )


def _field(store: Store, key: str, name: str) -> str:
    """A word in a document, such as the pipeline of a finished run; those that don't say share the empty one."""
    try:
        return str(json.loads(store.read(key, limit=_MAX_DOCUMENT)).get(name) or "")
    except (ValueError, AttributeError, MissingObjectError):
        return ""


def _mentions(store: Store, key: str) -> frozenset[str]:
    """Every sha256 in a document, whatever its format: so nothing that a newer lading wrote down is overlooked."""
    try:
        return frozenset(found.decode() for found in _SHA.findall(store.read(key, limit=_MAX_DOCUMENT)))
    except MissingObjectError:
        return frozenset()


def _kept_champions(stats: Iterable[Stat]) -> Iterator[Stat]:
    """The champion of each model and alias, and the one before it."""
    for _, group in _by_part(stats, 3):
        numbered = sorted(((number_of(stat.key.split("/")[-1]), stat) for stat in group), key=lambda pair: pair[0])
        yield from (stat for number, stat in numbered[-CHAMPIONS_KEPT:] if number)


def _attempts(stats: Iterable[Stat]) -> Iterator[tuple[AttemptId, AttemptFact]]:
    """Attempts by what lies under their prefix."""
    for prefix, group in _by_part(stats, 4):
        _, kind, key, number = prefix.split("/")
        if number.isdigit():
            at = AttemptId(kind, key, int(number))
            yield at, AttemptFact(next((stat.modified for stat in group if stat.key == at.verdict), None), group)
