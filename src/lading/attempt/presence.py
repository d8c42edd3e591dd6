"""What runners say of themselves under runners/: who is alive, what each takes, does and refuses. Nothing decides by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import Field

from lading import names
from lading.errors import ManifestError, MissingObjectError
from lading.frozen import Frozen
from lading.manifest.reading import read_document
from lading.store.base import Store, Upkeep

EVERY_S = 10.0
LIVE_S = 60.0
"""A runner that was not heard of for so long, on the store's own clock, is taken for gone."""
MAX_BYTES = 64 << 10


class Presence(Frozen):
    """One runner; rewritten by it alone."""

    schema_: Literal["lading/runner/v1"] = Field("lading/runner/v1", alias="schema")
    name: str
    host: str = ""
    """Host name and boot id of its machine."""
    pid: int = 0
    pid_started: str = ""
    platforms: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    version: str = ""
    beat: int = 0
    state: Literal["idle", "working", "ending"] = "idle"
    run: str = ""
    stage: str = ""
    attempt: str = ""
    """What it works on: `kind/key/number`."""
    worker: int = 0
    worker_started: str = ""
    """The process of the stage's supervisor: it outlives a runner that is killed, and the next one waits for it."""
    refuses: dict[str, str] = Field(default_factory=dict)
    """Tickets that it leaves to others, as `kind/key/number`, and why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A runner as it is seen now."""

    presence: Presence
    age_s: float
    """Since it was last heard of."""

    @property
    def alive(self) -> bool:
        """Whether it was heard of a short while ago."""
        return self.age_s < LIVE_S


def presences(store: Store, *, by_newest: bool = False) -> Iterator[Seen]:
    """Every runner that has said something of itself; what is refused is left out.

    Args:
        store: where.
        by_newest: age against the newest of them, not the store's clock, which a runner's own key may not ask.
    """
    stats = [stat for stat in store.list(names.RUNNERS) if stat.key.endswith(".json")]
    if not stats:
        return
    now = max(stat.modified for stat in stats) if by_newest else cast(Upkeep, store).clock()
    for stat in stats:
        try:
            yield Seen(read_document(store, stat.key, Presence, limit=MAX_BYTES), max(0.0, now - stat.modified))
        except (MissingObjectError, ManifestError):
            continue
