"""Jobs that a quota on their number refuses: they wait, and of all of them one is tried now and then."""

import time
from collections.abc import Callable

from lading.backends.base import Sight

FIRST_S = 5.0
LONGEST_S = 60.0
"""Between two tries; the pause doubles up to this while none succeeds."""


class Room:
    """Whether the namespace takes another Job.

    Args:
        now: a monotonic clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: set[str] = set()
        self._said = ""
        self._until, self._pause = float("-inf"), FIRST_S

    def takes(self, job: str) -> bool:
        """Whether it is time to try; a Job that is not tried waits for the next time."""
        if self._now() >= self._until:
            return True
        self._waiting.add(job)
        return False

    def refused(self, job: str, said: str) -> None:
        """There was no room for it."""
        self._waiting.add(job)
        self._said = said
        self._until, self._pause = self._now() + self._pause, min(self._pause * 2, LONGEST_S)

    def taken(self, job: str) -> None:
        """There was."""
        self._waiting.discard(job)
        self._until, self._pause = float("-inf"), FIRST_S

    def sight(self, job: str) -> Sight | None:
        """What is to be said of a Job that waits for room; none of all others."""
        if job not in self._waiting:
            return None
        now_or_later = self._now() >= self._until
        return Sight(alive=not now_or_later, unbegun=now_or_later, note=self._said)
