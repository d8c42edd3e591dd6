"""The backend that offers: tickets, their age and their end; and which of two backends is asked."""

import json
from typing import Any

import pytest

from lading import names
from lading.attempt import tickets
from lading.attempt.observe import Attempt
from lading.attempt.presence import Presence
from lading.attempt.records import Claim, Holder
from lading.backends.base import Backend, Sight
from lading.backends.composite import CompositeBackend
from lading.backends.kubernetes.backend import KubernetesBackend
from lading.backends.local import LocalBackend
from lading.backends.runner import RunnerBackend
from lading.codes import Code
from lading.config.resources import Resources
from lading.errors import LadingError
from lading.launch.decide import Facts, next_act
from lading.plan.job import JobSpec
from support.memory_store import MemoryStore

KEY = "a" * 64


class World:
    """A store and a launcher's clock, which the test moves."""

    def __init__(self) -> None:
        self.time, self.mono = 1000.0, 0.0
        self.store = MemoryStore(clock=lambda: self.time)
        self.backend = self.launcher()

    def launcher(self) -> RunnerBackend:
        """A launcher that was started anew."""
        return RunnerBackend(self.store, now=lambda: self.mono)

    def pass_(self, seconds: float) -> None:
        """Time passes, for all alike."""
        self.time += seconds
        self.mono += seconds

    def end_run(self, run: str) -> None:
        """The run ends."""
        self.store.write(names.RunPlaces(run).end, b"{}")

    def ticket(self, platform: str = "macos", n: int = 1) -> tickets.Ticket | None:
        """What is offered."""
        return tickets.read_ticket(self.store, platform, names.AttemptId("verify", KEY, n))


@pytest.fixture
def w() -> World:
    """A store, and a launcher."""
    return World()


def job(*, run: str = "r1", runner: Any = "macos", attempt: int = 1, **resources: Any) -> JobSpec:
    """An attempt that is to be offered."""
    fields = {"run": run, "stage": "s", "kind": "verify", "key": KEY, "attempt": attempt, "nonce": "n", "store": "memory://"}
    return JobSpec(**fields, settings={}, fingerprint="f", resources=Resources(runner=runner, **resources))


def claim(holder: Holder, *, n: int = 1, run: str = "r1") -> Claim:
    """Of such an attempt."""
    return Claim(kind="verify", key=KEY, n=n, nonce="n", run=run, stage="s", holder=holder)


MAC = Holder(backend="runner", platform="macos")


def test_what_is_offered_waits_and_says_for_whom(w: World) -> None:
    """Alive while it waits; offering twice is offering once; the note names the command."""
    assert w.backend.holder(job()) == MAC
    w.backend.submit(job())
    w.backend.submit(job())

    sight = w.backend.look(claim(MAC))

    assert sight.alive is True
    assert sight.note == "waits for a macos runner; none is alive (lading runner --platform macos --store memory://)"
    assert w.ticket().job["run"] == "r1"  # type: ignore[union-attr]


def test_once_it_is_taken_its_heartbeat_alone_decides(w: World) -> None:
    """Neither alive nor gone, however long it takes and whether or not its ticket still lies there."""
    w.backend.submit(job(runner_wait_s=60))
    assert tickets.take(w.store, job().id, host="mac-1/boot")
    for _ in range(2):
        assert w.backend.look(claim(MAC)) == Sight(alive=None, note="runs on mac-1")
        tickets.withdraw(w.store, "macos", job().id)
        w.pass_(10_000)
    w.backend.submit(job())
    assert w.ticket() is None


def test_a_claim_without_a_ticket_can_be_begun_by_anyone(w: World) -> None:
    """The launcher died between claim and ticket, or somebody took the ticket away: another launcher submits."""
    assert w.backend.look(claim(MAC)) == Sight(alive=False, unbegun=True)


def test_it_waits_so_long_and_no_longer_by_the_stores_clock(w: World) -> None:
    """Code 78 after runner_wait_s, also if the launcher was started anew meanwhile; the ticket goes."""
    w.backend.submit(job(runner_wait_s=100))
    w.backend.look(claim(MAC))
    w.pass_(60)
    again = w.launcher()
    assert again.look(claim(MAC)).alive is True
    w.pass_(41)

    sight = again.look(claim(MAC))

    assert sight.alive is False
    assert sight.outcomes is not None
    assert sight.outcomes["0"].code == Code.CANNOT_RUN_HERE
    assert sight.outcomes["0"].message.startswith("no runner for macos took it within 100 s; none is alive; start one: lading runner")
    assert w.ticket() is None


def test_a_ticket_that_is_taken_at_the_last_moment_is_not_failed(w: World) -> None:
    """A runner takes between the look and the withdrawal: its attempt goes on."""
    w.backend.submit(job(runner_wait_s=1))
    w.backend.look(claim(MAC))
    w.pass_(2)

    def take(act: str, key: str) -> None:
        if act == "delete" and key.startswith("tickets/"):
            w.store.before = lambda act, key: None
            tickets.take(w.store, job().id, host="mac-1")

    w.store.before = take
    assert w.backend.look(claim(MAC)).alive is None


def test_a_ticket_of_a_run_that_ended_is_offered_again_for_the_run_that_waits(w: World) -> None:
    """Another launcher's ticket is void when its run ends; a live run's ticket is left alone."""
    w.backend.submit(job(run="gone"))
    other = w.launcher()
    other.submit(job(run="waits"))
    assert w.ticket().job["run"] == "gone"  # type: ignore[union-attr]
    assert other.look(claim(MAC)).alive is True
    w.end_run("gone")
    w.pass_(6)

    assert other.look(claim(MAC)) == Sight(alive=False, unbegun=True)
    other.submit(job(run="waits"))
    assert w.ticket().job["run"] == "waits"  # type: ignore[union-attr]
    assert other.look(claim(MAC)).alive is True


def test_a_ticket_that_cannot_be_read_makes_room(w: World) -> None:
    """Nonsense under a ticket's name is replaced, not waited for."""
    w.store.write(names.ticket("macos", job().id), b"{")
    assert w.backend.look(claim(MAC)).unbegun
    w.backend.submit(job())
    assert w.ticket() is not None


def test_who_always_takes_tickets_away_is_told(w: World) -> None:
    """A ticket that is never there after it was offered ends in a sentence, not in a loop."""

    def away(act: str, key: str) -> None:
        if act == "read" and key.startswith("tickets/"):
            w.store.objects.pop(key, None)

    w.store.before = away
    with pytest.raises(LadingError, match="no ticket for s could be put out"):
        w.backend.submit(job())


def test_stop_withdraws(w: World) -> None:
    """Nobody shall work for a run that was cancelled."""
    w.backend.submit(job())
    w.backend.stop(claim(MAC), grace_s=30)
    assert w.ticket() is None


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({"state": "working"}, "; mac-1 is at work on something else"),
        ({"refuses": {f"verify/{KEY}/1": "other code"}}, "; mac-1 leaves it: other code"),
        ({}, ""),
        ({"platforms": ("any",)}, "; none is alive"),
    ],
)
def test_the_note_says_why_nobody_takes_it(w: World, said: dict[str, Any], note: str) -> None:
    """Busy, refusing, about to, or there for another platform."""
    w.store.write(names.runner("mac-1"), Presence(**{"name": "mac-1", "platforms": ("macos",)} | said).to_bytes())
    w.backend.submit(job())
    assert w.backend.look(claim(MAC)).note == f"waits for a macos runner{note} (lading runner --platform macos --store memory://)"


def test_a_runner_that_went_silent_is_not_alive(w: World) -> None:
    """By the store's clock, after a minute."""
    w.store.write(names.runner("mac-1"), Presence(name="mac-1", platforms=("macos",)).to_bytes())
    w.pass_(61)
    w.backend.submit(job())
    assert w.backend.look(claim(MAC)).note.startswith("waits for a macos runner; none is alive (")


class Main:
    """Another backend, which notes what it is asked."""

    name = "local"
    completes = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def holder(self, job: JobSpec) -> Holder:
        self.asked.append("holder")
        return Holder(backend="local")

    def submit(self, job: JobSpec) -> None:
        self.asked.append("submit")

    def look(self, claim: Claim) -> Sight:
        self.asked.append("look")
        return Sight(alive=True)

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        self.asked.append("stop")

    def wait(self, timeout_s: float) -> None:
        self.asked.append("wait")

    def leave(self) -> None:
        self.asked.append("leave")

    def close(self) -> None:
        self.asked.append("close")


def test_each_stage_goes_to_its_own_backend_and_each_claim_to_its_holder(w: World) -> None:
    """`runner:` in its resources offers a stage; a claim is looked at by who holds it, whatever this pipeline asks for."""
    main = Main()
    both = CompositeBackend(main, w.backend)
    assert (both.name, both.completes) == ("local", False)
    assert both.holder(job()).backend == "runner"
    both.submit(job())
    assert main.asked == []
    assert both.holder(job(runner=None)).backend == "local"
    both.submit(job(runner=None, attempt=2))
    both.look(claim(Holder(backend="local"), n=2))
    both.wait(0)
    both.stop(claim(Holder(backend="local"), n=2), grace_s=1)
    assert main.asked == ["holder", "submit", "look", "wait", "stop"]
    assert both.look(claim(MAC, n=3)).unbegun
    both.submit(job(runner=None, attempt=3))  # claimed for a Mac by a run whose pipeline says so
    assert w.ticket(n=3) is not None
    assert len(main.asked) == 5


@pytest.mark.parametrize(
    ("seen", "act"),
    [({}, "begin"), ({"taken": True}, "wait"), ({"beats": {"0": ("e", 1.0)}}, "wait")],
)
def test_unbegun_is_begun_unless_it_was_taken_meanwhile(seen: dict[str, Any], act: str) -> None:
    """The look said that nobody had begun it; the list after it decides, and never calls a taken attempt lost."""
    fields = {"number": 1, "claim": claim(MAC), "beats": {}, "outcomes": {}, "verdict": None, "checkpoint": None} | seen
    facts = Facts(attempts={1: Attempt(**fields)}, sight=Sight(alive=False, unbegun=True), stale=True)
    assert next_act(facts).what == act


def test_a_ticket_holds_no_secret_and_names_the_job(w: World) -> None:
    """What lies in the store is the job as every backend gets it."""
    w.backend.submit(job())
    data = json.loads(w.store.read(names.ticket("macos", job().id)))
    assert JobSpec.model_validate(data["job"]) == job()


def test_both_backends_are_left_and_closed(w: World) -> None:
    """And an error in that is not taken for a backend without a close."""
    main = Main()
    both = CompositeBackend(main, w.backend)
    both.leave()
    both.close()
    assert main.asked == ["leave", "close"]

    class Broken(Main):
        def close(self) -> None:
            raise AttributeError("'NoneType' object has no attribute 'close'")

    with pytest.raises(AttributeError):
        CompositeBackend(Broken(), w.backend).close()


@pytest.mark.parametrize("backend", [LocalBackend, KubernetesBackend, RunnerBackend, CompositeBackend])
def test_every_backend_has_all_that_is_promised(backend: type) -> None:
    """What a launcher asks of one it may ask of all; whether it completes may be known of an instance alone."""
    promised = {name for name in vars(Backend) if not name.startswith("_")} | set(Backend.__annotations__)
    assert promised >= {"leave", "close", "completes"}
    missing = {name for name in promised if not hasattr(backend, name)}
    assert missing <= ({"name", "completes"} if backend is CompositeBackend else set())
