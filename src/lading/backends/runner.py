"""Stages for machines that pull work: each attempt is offered as a ticket, and whoever takes it is watched by its heartbeat alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from lading.attempt import tickets
from lading.attempt.presence import presences
from lading.attempt.records import Cause, Claim, Holder, Outcome
from lading.attempt.tickets import Taken, Ticket
from lading.backends.base import Sight
from lading.codes import Code
from lading.config.commands import anywhere
from lading.config.resources import Resources
from lading.errors import LadingError, ManifestError
from lading.logs import get_logger
from lading.names import AttemptId, ticket
from lading.plan.job import JobSpec
from lading.store.base import Stat, Store, Upkeep, stat_of

ASK_S = 5.0
"""Between two looks whether a ticket's run has ended, and at what the runners say."""
OFFERS = 5
Platform = Literal["macos", "any"]
log = get_logger()


@dataclass(slots=True)
class _Offer:
    """A ticket as it lies in the store."""

    etag: str
    run: str
    wait_s: float
    since: float
    """On this launcher's clock, from the age that the store tells."""
    asked: float = float("-inf")
    said: str = ""


class RunnerBackend:
    """Offers attempts to runners.

    Args:
        store: where tickets are offered.
        now: this machine's monotonic clock.
    """

    name = "runner"
    completes = False

    def __init__(self, store: Store, *, now: Callable[[], float] = time.monotonic) -> None:
        self.store, self._now = store, now
        self._platforms: dict[AttemptId, Platform] = {}
        self._offers: dict[AttemptId, _Offer] = {}
        self._taken: dict[AttemptId, Taken] = {}
        self._runs: set[str] = set()

    def holder(self, job: JobSpec) -> Holder:
        """A runner to come."""
        return Holder(backend="runner", platform=job.resources.runner or "any")

    def submit(self, job: JobSpec) -> None:
        """Puts the attempt's ticket out, if none is there; one that was offered for a run that has ended since makes room."""
        self._runs.add(job.run)
        platform = self._platforms.get(job.id) or job.resources.runner or "any"
        self._platforms[job.id] = platform
        ours = Ticket(platform=platform, kind=job.kind, key=job.key, attempt=job.attempt, job=job.to_data())
        for _ in range(OFFERS):
            if tickets.taken(self.store, job.id) is not None:
                return
            tickets.offer(self.store, ours)
            there = self._read(platform, job.id)
            if there is not None and there.job.get("run") == job.run:
                log.info("ticket.offered", platform=platform, run=job.run, stage=job.stage, attempt=job.attempt)
                return
            if there is not None and not tickets.run_ended(self.store, str(there.job.get("run"))):
                return  # another run's, which waits for the same
            tickets.withdraw(self.store, platform, job.id)
        raise LadingError(f"no ticket for {job.stage} could be put out: others take it away again", do="look at tickets/ in the store")

    def _read(self, platform: str, attempt: AttemptId) -> Ticket | None:
        """A ticket; one that is refused is none, for it makes room."""
        try:
            return tickets.read_ticket(self.store, platform, attempt)
        except ManifestError:
            return None

    def look(self, claim: Claim) -> Sight:
        """An attempt that was taken is judged by its heartbeat; one that waits is alive until it has waited too long."""
        if claim.holder.backend != "runner":
            return Sight(alive=None)
        attempt = AttemptId(claim.kind, claim.key, claim.n)
        platform: Platform = "macos" if claim.holder.platform == "macos" else "any"
        self._platforms[attempt] = platform
        place = ticket(platform, attempt)
        # The ticket first: a runner takes, then withdraws, so where neither is there nobody has taken it.
        stat = stat_of(self.store, place)
        if attempt not in self._taken and (taken := tickets.taken(self.store, attempt)) is not None:
            self._taken[attempt] = taken
        if attempt in self._taken:
            return Sight(alive=None, note=f"runs on {self._taken[attempt].host.split('/')[0]}")
        offer = self._offer(platform, attempt, stat) if stat else None
        if offer is None:
            return Sight(alive=False, unbegun=True)
        return self._waiting(platform, attempt, offer)

    def _offer(self, platform: Platform, attempt: AttemptId, stat: Stat) -> _Offer | None:
        """What the ticket says, read once; none where it is refused or gone."""
        known = self._offers.get(attempt)
        if known is not None and known.etag == stat.etag:
            return known
        found = self._read(platform, attempt)
        if found is None:
            return None
        try:
            wait_s = Resources.model_validate(found.job["resources"]).runner_wait_s
        except (KeyError, ValueError):
            return None
        age = max(0.0, cast(Upkeep, self.store).clock() - stat.modified)
        offer = self._offers[attempt] = _Offer(stat.etag, str(found.job.get("run", "")), wait_s, self._now() - age)
        return offer

    def _waiting(self, platform: Platform, attempt: AttemptId, offer: _Offer) -> Sight:
        now = self._now()
        if now - offer.since >= offer.wait_s:
            return self._too_long(platform, attempt, offer)
        if now - offer.asked >= ASK_S:
            if offer.run not in self._runs and tickets.run_ended(self.store, offer.run):
                return Sight(alive=False, unbegun=True)  # void: it is offered again for the run that asks
            offer.asked, offer.said = now, self._said_by_runners(platform, attempt)
        word = "a macos runner" if platform == "macos" else "a runner"
        start = anywhere(self.store.uri, "runner", "--platform", platform)
        return Sight(alive=True, note=f"waits for {word}{offer.said} ({start})")

    def _said_by_runners(self, platform: Platform, attempt: AttemptId) -> str:
        """Why those that are there do not take it."""
        here = [seen.presence for seen in presences(self.store) if seen.alive and platform in seen.presence.platforms]
        name = f"{attempt.kind}/{attempt.key}/{attempt.number}"
        if refusing := [f"{one.name} leaves it: {one.refuses[name]}" for one in here if name in one.refuses]:
            return "; " + "; ".join(refusing)
        if busy := [one.name for one in here if one.state == "working"]:
            return f"; {', '.join(busy)} {'is' if len(busy) == 1 else 'are'} at work on something else"
        return "" if here else "; none is alive"

    def _too_long(self, platform: Platform, attempt: AttemptId, offer: _Offer) -> Sight:
        """Nobody came: the ticket goes, and if nobody took it at the last moment the attempt has failed."""
        tickets.withdraw(self.store, platform, attempt)
        if tickets.taken(self.store, attempt) is not None:
            return Sight(alive=None)
        message = f"no runner for {platform} took it within {offer.wait_s:g} s{self._said_by_runners(platform, attempt)}"
        start = f"start one: {anywhere(self.store.uri, 'runner', '--platform', platform)}"
        outcome = Outcome(code=Code.CANNOT_RUN_HERE, cause=Cause.CANNOT_RUN_HERE, message=f"{message}; {start} (or raise runner_wait_s)")
        return Sight(alive=False, outcomes={"0": outcome})

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        """Withdraws the ticket; one that was taken stops at its next heartbeat, when it sees its verdict."""
        del grace_s
        if claim.holder.backend == "runner":
            tickets.withdraw(self.store, claim.holder.platform or "any", AttemptId(claim.kind, claim.key, claim.n))

    def wait(self, timeout_s: float) -> None:
        """A store tells nobody that something changed."""
        time.sleep(timeout_s)

    def leave(self) -> None:
        """Nothing of it runs here."""

    def close(self) -> None:
        """Nothing is held open."""
