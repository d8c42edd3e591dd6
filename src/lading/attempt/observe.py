"""What is seen of the attempts at a key: one LIST, reads of what decides, and whether a heartbeat still moves."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TypeVar

from lading import names
from lading.attempt.records import Claim, Outcome, Verdict
from lading.errors import MissingObjectError
from lading.frozen import Frozen
from lading.manifest.reading import read_document
from lading.names import AttemptId
from lading.store.base import Stat, Store

STALE_S = 60.0
"""A claim whose heartbeat nobody saw change for so long is dead, unless its backend sees it alive."""
MAX_RECORD_BYTES = 1 << 20

Cache = MutableMapping[tuple[str, str], Frozen]
"""Documents that are written once, by key and etag: what a launcher that looks every second keeps."""

_PLACE = re.compile(
    r"^([1-9]\d{0,8})/(?:(claim|verdict|taken)\.json|progress-([A-Za-z0-9-]+)\.json|outcome-([A-Za-z0-9-]+)\.json"
    r"|checkpoints/(\d{1,15})/part-(\d{1,5})-of-(\d{1,5})\.json)$"
)
F = TypeVar("F", bound=Frozen)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it is seen at one moment."""

    number: int
    claim: Claim
    beats: Mapping[str, tuple[str, float]]
    """Pod to the etag and the store's time of its heartbeat."""
    outcomes: Mapping[str, Outcome]
    """Pod to how it ended."""
    verdict: Verdict | None
    checkpoint: int | None
    """The highest step whose training state is whole."""
    taken: bool = False
    """Whether a runner took it."""
    begun: float = 0.0
    """The store's time of its claim."""

    @property
    def id(self) -> AttemptId:
        """Its place in the store."""
        return AttemptId(self.claim.kind, self.claim.key, self.number)

    @property
    def ended(self) -> bool:
        """Whether every pod has said how it ended."""
        return len(self.outcomes) >= self.claim.pods

    def seconds(self, now: float) -> float:
        """How long it goes on at a moment of the store's clock: since its claim; of one that fell silent, until it was heard of last."""
        heard = max((moment for _, moment in self.beats.values()), default=now)
        return max(0.0, (now if now - heard < STALE_S else heard) - self.begun)


@dataclass(slots=True)
class _Seen:
    """What a LIST shows of one attempt."""

    claim: Stat | None = None
    verdict: Stat | None = None
    taken: bool = False
    beats: dict[str, tuple[str, float]] = field(default_factory=dict)
    outcomes: dict[str, Stat] = field(default_factory=dict)
    parts: dict[tuple[int, int], set[int]] = field(default_factory=dict)

    def add(self, match: re.Match[str], stat: Stat) -> None:
        """Takes one object in."""
        _, document, beat, outcome, step, part, parts = match.groups()
        if document == "taken":
            self.taken = True
        elif document == "claim":
            self.claim = stat
        elif document == "verdict":
            self.verdict = stat
        elif beat:
            self.beats[beat] = (stat.etag, stat.modified)
        elif outcome:
            self.outcomes[outcome] = stat
        else:
            self.parts.setdefault((int(step), int(parts)), set()).add(int(part))

    def checkpoint(self) -> int | None:
        """The highest step of which all parts are there."""
        return max((step for (step, of), parts in self.parts.items() if of and parts >= set(range(of))), default=None)


def attempts(store: Store, kind: str, key: str, *, cache: Cache | None = None) -> dict[int, Attempt]:
    """Every attempt at a key by its number, in order: one LIST, then reads of claims, outcomes and verdicts alone.

    Args:
        store: where.
        kind: of the stage.
        key: of the stage.
        cache: documents that were read before; what is in it is not read again.

    Raises:
        ManifestError: a document is refused.
    """
    prefix = names.attempts(kind, key)
    seen: dict[int, _Seen] = {}
    for stat in store.list(prefix):
        if match := _PLACE.match(stat.key[len(prefix) :]):
            seen.setdefault(int(match[1]), _Seen()).add(match, stat)
    found = ((number, _attempt(store, number, seen[number], cache)) for number in sorted(seen))
    return {number: attempt for number, attempt in found if attempt is not None}


def _attempt(store: Store, number: int, seen: _Seen, cache: Cache | None) -> Attempt | None:
    """One attempt; none where no claim is (left), which is what gc leaves for a moment."""
    claim = _read(store, seen.claim, Claim, cache)
    if claim is None:
        return None
    outcomes = {pod: _read(store, stat, Outcome, cache) for pod, stat in seen.outcomes.items()}
    return Attempt(
        number=number,
        claim=claim,
        beats=seen.beats,
        outcomes={pod: outcome for pod, outcome in outcomes.items() if outcome},
        verdict=_read(store, seen.verdict, Verdict, cache),
        checkpoint=seen.checkpoint(),
        taken=seen.taken,
        begun=seen.claim.modified if seen.claim else 0.0,
    )


def _read(store: Store, stat: Stat | None, model: type[F], cache: Cache | None) -> F | None:
    """A document that is written once; none where it is not there, or no longer."""
    if stat is None:
        return None
    known = cache.get((stat.key, stat.etag)) if cache is not None else None
    if isinstance(known, model):
        return known
    try:
        document = read_document(store, stat.key, model, limit=MAX_RECORD_BYTES)
    except MissingObjectError:
        return None
    if cache is not None:
        cache[stat.key, stat.etag] = document
    return document


class Watch:
    """Whether attempts live, by the observer's monotonic clock alone: two machines' clocks are never compared."""

    def __init__(self, *, stale_s: float = STALE_S) -> None:
        self._stale_s = stale_s
        self._changed: dict[AttemptId, tuple[object, float]] = {}

    def stale(self, attempt: Attempt, now: float) -> bool:
        """Whether nothing of the attempt was seen to change for `stale_s`; the first sight counts as a change.

        Args:
            attempt: as it is seen now.
            now: `time.monotonic()`.
        """
        signs = (tuple(sorted(attempt.beats.items())), len(attempt.outcomes), attempt.checkpoint, attempt.taken)
        before, since = self._changed.get(attempt.id, (None, now))
        if before != signs:
            self._changed[attempt.id] = (signs, since := now)
        return now - since >= self._stale_s

    def forget(self, kind: str, key: str) -> None:
        """Lets go of what was seen of a key that needs no watching any more."""
        for known in [known for known in self._changed if (known.kind, known.key) == (kind, key)]:
            del self._changed[known]
