"""Warnings about Jobs without pods: one question for all of them, and ever more rarely."""

from typing import Any

from lading.backends.kubernetes.refusals import FIRST_S, LONGEST_S, Refusals


class Events:
    """An API server's events, a count of questions, and a clock."""

    def __init__(self) -> None:
        self.asked, self.now, self.items = 0, 0.0, list[dict[str, Any]]()
        self.refusals = Refusals(self.list, now=lambda: self.now)

    def list(self, **words: Any) -> Any:
        assert "involvedObject.name" not in words["fieldSelector"], "one question is for all Jobs"
        assert words["limit"] <= 500
        self.asked += 1
        return {"items": list(self.items)}

    def refuse(self, job: str) -> None:
        """As the Job controller says it."""
        self.items.append({"involvedObject": {"name": job}, "reason": "FailedCreate", "message": f"exceeded quota: {job}"})


def test_a_thousand_jobs_are_one_question() -> None:
    """However many Jobs wait for pods, one list tells of all; a Job that gets its pod soon is not asked about at all."""
    events = Events()
    for second in range(4):
        events.now = float(second)
        for number in range(1000):
            events.refuse(f"j{number}")
            found = events.refusals.of(f"j{number}")
    assert events.asked == 1
    assert "exceeded quota: j999" in found[0]["message"]


def test_waiting_long_asks_rarely() -> None:
    """In an hour of waiting there are about as many questions as minutes, and what changes is seen within one."""
    events = Events()
    for second in range(3600):
        events.now = float(second)
        events.refusals.of("j")
    assert events.asked <= 3600 / LONGEST_S + 5
    events.refuse("j")
    events.now += LONGEST_S
    assert events.refusals.of("j")


def test_a_job_that_came_later_is_asked_about_soon() -> None:
    """The pause grows while nothing is new; the next Job does not wait for its end."""
    events = Events()
    for second in range(600):
        events.now = float(second)
        events.refusals.of("old")
    events.refuse("new")
    events.refusals.of("new")
    events.now += FIRST_S
    assert events.refusals.of("new")
    events.refusals.forget("new")
    before = events.asked
    events.refusals.of("new")
    assert events.asked == before, "it is counted anew"
