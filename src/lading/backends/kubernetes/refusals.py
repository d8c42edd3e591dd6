"""Why Jobs have no pods (quota, admission): their warnings, asked for all Jobs of a namespace at once, and ever more rarely."""

import time
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
FIRST_S = 3.0
"""A Job without a pod for so long is asked about."""
LONGEST_S = 60.0
"""Between two questions about Jobs that still wait; the pause doubles up to this."""
MOST = 500
"""Events of one answer: one says it for a Job, and what many Jobs meet is the same."""
SELECTOR = "type=Warning,reason=FailedCreate,involvedObject.kind=Job"


class Refusals:
    """Warnings about Jobs that have no pod yet. The number of calls depends neither on how many wait nor, much, on how long.

    Args:
        lister: lists events; called with the words of the API's query, gives the list as data.
        now: a monotonic clock.
    """

    def __init__(self, lister: Callable[..., Any], *, now: Callable[[], float] = time.monotonic) -> None:
        self._lister, self._now = lister, now
        self._since: dict[str, float] = {}
        self._found: dict[str, list[Object]] = {}
        self._asked, self._pause = float("-inf"), FIRST_S

    def of(self, job: str) -> list[Object]:
        """What is known of a Job that has no pod."""
        moment = self._now()
        if job not in self._since:
            self._since[job], self._pause = moment, FIRST_S
        if moment - self._since[job] >= FIRST_S and moment - self._asked >= self._pause:
            self._asked, self._pause = moment, min(self._pause * 2, LONGEST_S)
            self._found = self._list()
        return self._found.get(job, [])

    def forget(self, job: str) -> None:
        """A Job that has pods, or has ended."""
        self._since.pop(job, None)

    def _list(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for event in self._lister(fieldSelector=SELECTOR, limit=MOST)["items"]:
            said = {"reason": event.get("reason"), "message": event.get("message")}
            found.setdefault(event["involvedObject"]["name"], []).append(said)
        return found
