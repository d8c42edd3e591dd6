"""The loop: one attempt at a time, from ticket to outcome; a store that is out of reach is waited for."""

import contextlib
import random
import threading
from collections.abc import Callable

from lading.attempt import tickets
from lading.attempt.observe import attempts
from lading.attempt.records import Claim
from lading.attempt.tickets import Offered
from lading.backends.base import Backend
from lading.errors import LadingError, ManifestError, MissingObjectError, NewerFormatError, StoreError, UserError
from lading.logs import get_logger
from lading.plan.job import JobSpec
from lading.runner.announce import Announcement
from lading.runner.rules import Rules
from lading.store.base import Store

POLL_S = 5.0
LONGEST_PAUSE_S = 60.0
log = get_logger()


class Runner:
    """Pulls work until it is asked to stop.

    Args:
        store: of this thread.
        name: under which it takes.
        rules: what it takes.
        backend: runs an attempt here.
        announcement: says how it is.
        stop: set, it ends: what runs is asked to stop, and is waited for.
        say: hears a sentence for each thing that happens.
        poll_s: between two looks for tickets.
        before: done once, when the store has first answered.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        rules: Rules,
        backend: Backend,
        announcement: Announcement,
        *,
        stop: threading.Event,
        say: Callable[[str], None] = lambda _: None,
        poll_s: float = POLL_S,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.store, self.name, self.rules, self.backend, self.announcement = store, name, rules, backend, announcement
        self.stop, self.say, self.poll_s = stop, say, poll_s
        self._before = before
        self._refused: dict[str, str] = {}
        self._answered = False

    def run(self, *, once: bool = False) -> None:
        """Works until it is asked to stop; with `once`, until nothing that it may take waits.

        Raises:
            StoreError: the store refuses at the very first, for a reason that waiting does not mend.
        """
        failures = 0
        while not self.stop.is_set():
            try:
                if not self._answered:
                    self._before()
                did = self.look()
                self._answered, failures = True, 0
            except StoreError as error:
                if once or (not self._answered and type(error) not in {StoreError, MissingObjectError}):
                    raise
                failures += 1
                did = False
                log.warning("runner.store_unreachable", problem=error.message, tries=failures)
            if did:
                continue
            if once:
                return
            pause = min(LONGEST_PAUSE_S, self.poll_s * 2.0 ** min(failures, 10)) if failures else self.poll_s
            self.stop.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def look(self) -> bool:
        """Goes through what is offered, the oldest first, and works on the first that it may take; True if there was one."""
        offers = sorted((one for platform in self.rules.platforms for one in tickets.offered(self.store, platform)), key=_age)
        refused: dict[str, str] = {}
        job = next((job for one in offers if not self.stop.is_set() and (job := self._taken(one, refused))), None)
        for name in refused.keys() - self._refused.keys():
            self.say(f"leaves {name}: {refused[name]}")
        self._refused = refused
        self.announcement.says(refuses=refused)
        if job is None:
            return False
        self._work(job)
        return True

    def _taken(self, one: Offered, refused: dict[str, str]) -> JobSpec | None:
        """The job of a ticket, if this runner has taken it now."""
        try:
            self.rules.check_place(one.platform, one.id)
            ticket = tickets.read_ticket(self.store, one.platform, one.id)
            if ticket is None or tickets.taken(self.store, one.id) is not None:
                return None
            if why := tickets.why_void(self.store, ticket):
                tickets.withdraw(self.store, one.platform, one.id)
                log.info("ticket.void", kind=one.id.kind, attempt=one.id.number, why=why)
                return None
            job = self.rules.accept(ticket, store=self.store.uri)
        except (UserError, ManifestError) as error:  # whatever is in it was written by others
            refused[f"{one.id.kind}/{one.id.key}/{one.id.number}"] = error.message + (
                f"; {error.do}" if isinstance(error, NewerFormatError) else ""
            )
            return None
        if not tickets.take(self.store, one.id, host=self.name, platform=one.platform):
            return None
        with contextlib.suppress(StoreError):  # it is void now, whether it is there or not
            tickets.withdraw(self.store, one.platform, one.id)
        return job

    def _work(self, job: JobSpec) -> None:
        """One attempt, to its end."""
        self.say(f"takes {job.stage} ({job.kind}, attempt {job.attempt} of run {job.run})")
        try:
            holder = self.backend.holder(job)
            name = f"{job.kind}/{job.key}/{job.attempt}"
            self.announcement.says(
                state="working", run=job.run, stage=job.stage, attempt=name, worker=holder.pid, worker_started=holder.pid_started
            )
            claim = Claim(kind=job.kind, key=job.key, n=job.attempt, nonce=job.nonce, run=job.run, stage=job.stage, holder=holder)
            self.backend.submit(job)
            told = False
            while self.backend.look(claim).alive:
                if self.stop.is_set() and not told:
                    told = True
                    self.announcement.says(state="ending")
                    self.say(f"asks {job.stage} to stop, and waits up to {job.resources.grace_s:g} s")
                    self.backend.stop(claim, grace_s=job.resources.grace_s)
                self.backend.wait(0.5)
            self.say(f"{job.stage} has ended: {self._ended(job)}")
        finally:
            self.announcement.says(state="idle", run="", stage="", attempt="", worker=0, worker_started="")

    def _ended(self, job: JobSpec) -> str:
        """How, in words, as far as the store says it."""
        try:
            seen = attempts(self.store, job.kind, job.key).get(job.attempt)
        except LadingError as error:
            return f"the store can't be asked how ({error.message})"
        outcome = next(iter(seen.outcomes.values()), None) if seen else None
        if outcome is None:
            return "without a word"
        return f"{int(outcome.code)} {outcome.message}".strip() if outcome.code else "its result stands"


def _age(one: Offered) -> tuple[float, str]:
    return one.modified, one.id.key
