"""The runner's loop: what it takes, in which order, what it leaves and why, and how it bears a store that is away."""

import plistlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lading import names
from lading.attempt import tickets
from lading.attempt.presence import Presence
from lading.attempt.records import Claim, Holder
from lading.attempt.tickets import Ticket
from lading.backends.base import Sight
from lading.backends.identity import host, started
from lading.backends.runner import RunnerBackend
from lading.cli import cmd_runners
from lading.codes import Code, Exit
from lading.config.resources import Resources
from lading.errors import StoreDeniedError, StoreError, UserError
from lading.plan.job import JobSpec
from lading.runner import announce
from lading.runner.loop import Runner
from lading.runner.rules import RefusedError, Rules, WrongMachineError, make
from lading.store.directory import DirectoryStore
from support.memory_store import MemoryStore

MACOS = Path(__file__).parents[3] / "images" / "macos"


def key(text: str) -> str:
    """A key."""
    return text * 64


def ticket(k: str = "a", *, kind: str = "verify", platform: Any = "macos", run: str = "r", **changes: Any) -> Ticket:
    """An offer."""
    fields = {"run": run, "stage": f"stage-{k}", "kind": kind, "key": key(k), "attempt": 1, "nonce": "n", "store": "s3://else/where"}
    job = JobSpec(**fields, settings={}, fingerprint="f", resources=Resources()).but(**changes)
    return Ticket(platform=platform, kind=kind, key=key(k), attempt=1, job=job.to_data())


class Here:
    """A backend that does each job at once, and notes it."""

    def __init__(self) -> None:
        self.did: list[JobSpec] = []

    def holder(self, job: JobSpec) -> Holder:
        return Holder(backend="local", pid=1)

    def submit(self, job: JobSpec) -> None:
        self.did.append(job)

    def look(self, claim: Claim) -> Sight:
        return Sight(alive=False)

    def stop(self, claim: Claim, *, grace_s: float) -> None:
        raise AssertionError

    def wait(self, timeout_s: float) -> None:
        raise AssertionError


class World:
    """A store, and a runner on a Mac."""

    def __init__(self, *platforms: str, system: str = "darwin") -> None:
        self.time = 0.0
        self.store = MemoryStore(clock=lambda: self.time)
        self.here = Here()
        self.said: list[str] = []
        self.stop = threading.Event()
        rules = Rules(platforms or ("macos",), ("convert", "verify"), fingerprint=lambda kind: "f", system=system)
        self.announcement = announce.Announcement(self.store, "mac-1", rules)
        self.runner = Runner(self.store, "mac-1", rules, self.here, self.announcement, stop=self.stop, say=self.said.append, poll_s=0.001)

    def offer(self, *offers: Ticket) -> None:
        """Puts them out, one after another."""
        for one in offers:
            self.time += 1
            tickets.offer(self.store, one)

    def left(self) -> list[str]:
        """The keys of what is still offered."""
        return sorted(one.id.key[0] for platform in ("macos", "any") for one in tickets.offered(self.store, platform))

    def did(self) -> list[str]:
        """What was worked on, in order."""
        return [job.key[0] for job in self.here.did]


def test_it_takes_the_oldest_first_and_one_at_a_time() -> None:
    """By the store's time of the offer, not by key; the job's store is the runner's own, whatever the ticket says."""
    w = World("macos", "any")
    w.offer(ticket("c"), ticket("a"), ticket("b", platform="any"))

    w.runner.run(once=True)

    assert w.did() == ["c", "a", "b"]
    assert {job.store for job in w.here.did} == {"memory://"}
    assert w.left() == []
    assert tickets.taken(w.store, ticket("c").id).host == "mac-1"  # type: ignore[union-attr]


def test_what_is_void_is_withdrawn_and_what_is_taken_is_left() -> None:
    """A verdict or the run's end voids; another runner's is not touched."""
    w = World()
    w.offer(ticket("a"), ticket("b", run="over"), ticket("c"))
    w.store.write(ticket("a").id.verdict, b"{}")
    w.store.write(names.RunPlaces("over").end, b"{}")
    tickets.take(w.store, ticket("c").id, host="mac-2")

    w.runner.run(once=True)

    assert w.did() == []
    assert w.left() == ["c"]


def test_what_it_leaves_it_says_once_and_announces() -> None:
    """Kind, other code, nonsense: each stays for others, with a sentence."""
    w = World()
    w.offer(ticket("a", kind="bundle"), ticket("b", fingerprint="other"), ticket("c"))
    w.store.write(names.ticket("macos", ticket("d").id), b"{")
    w.offer(ticket("e").but(job={"kind": "verify"}), ticket("f").but(job=ticket("0").job))

    w.runner.look()
    w.runner.look()

    assert w.did() == ["c"]
    leaves = sorted(line.partition(": ")[2] for line in w.said if line.startswith("leaves"))
    assert len(leaves) == 5
    assert "install the same version of lading" in "\n".join(leaves)
    assert "it takes convert, verify alone; bundle with --kinds convert,verify,bundle" in leaves
    assert w.announcement._now.refuses.keys() == {f"{k}/{key(c)}/1" for k, c in zip(["bundle", *["verify"] * 4], "abdef", strict=True)}


def test_a_ticket_of_a_run_that_can_not_be_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may write to the store can name a run as they like; neither a runner, nor a launcher, nor who looks ends by that."""
    w = World()
    w.store = w.runner.store = DirectoryStore(tmp_path)  # type: ignore[assignment]
    w.offer(ticket("a", run="../x"), ticket("b"), ticket("c", run="r/../../x"))

    w.runner.run(once=True)

    assert w.did() == ["b"]
    assert sorted(line.split("/")[1][0] for line in w.said if "can't be a key" in line) == ["a", "c"]
    refused = [one for one in cmd_runners.waiting(w.store) if "can't be a key" in one.get("refused", "")]
    assert sorted(one["key"][0] for one in refused) == ["a", "c"]
    own = JobSpec.model_validate(ticket("a", run="r").job).but(resources=Resources(runner="macos"))
    RunnerBackend(w.store).submit(own)
    assert tickets.read_ticket(w.store, "macos", own.id).job["run"] == "r"  # type: ignore[union-attr]


def test_a_store_that_is_away_after_the_take_loses_no_job() -> None:
    """The ticket is void by then, so taking it away can wait; the work can't."""
    w = World()
    w.offer(ticket("a"))

    def away(act: str, place: str) -> None:
        if act == "delete":
            raise StoreError("no answer")

    w.store.before = away
    w.runner.run(once=True)
    assert w.did() == ["a"]


def test_a_macos_ticket_is_refused_elsewhere_though_it_is_listed() -> None:
    """The sentence, and no attempt: whatever let it look at that platform."""
    w = World(system="linux")
    w.offer(ticket("a"))
    w.runner.run(once=True)
    assert w.did() == []
    assert "it is for macOS, and this machine runs linux" in w.said[0]


def test_two_runners_take_a_ticket_once() -> None:
    """The other one takes between the look and the take."""
    w = World()
    w.offer(ticket("a"))

    def other(act: str, place: str) -> None:
        if act == "write" and place.endswith("taken.json"):
            w.store.before = lambda act, place: None
            tickets.take(w.store, ticket("a").id, host="mac-2")

    w.store.before = other
    w.runner.run(once=True)
    assert w.did() == []


def test_a_store_that_is_away_is_waited_for() -> None:
    """It fails three times, then answers: nothing ends, the work is done."""
    w, tries = World(), []
    w.offer(ticket("a"))

    def away(act: str, place: str) -> None:
        if act == "list" and place.startswith("tickets/"):
            tries.append(1)
            if len(tries) <= 3:
                raise StoreError("no answer")
            if w.here.did:
                w.stop.set()

    w.store.before = away
    w.runner.run()
    assert w.did() == ["a"]


def test_a_key_that_may_not_look_is_told_at_once() -> None:
    """Waiting does not mend a refusal at the very first look."""
    w = World()

    def denied(act: str, place: str) -> None:
        raise StoreDeniedError("no")

    w.store.before = denied
    with pytest.raises(StoreDeniedError):
        w.runner.run()


def test_a_key_that_may_not_read_runs_still_works() -> None:
    """Whether the run has ended is then not known, and the work is done."""
    w = World()
    w.offer(ticket("a"))

    def denied(act: str, place: str) -> None:
        if place.startswith("runs/"):
            raise StoreDeniedError("no")

    w.store.before = denied
    w.runner.run(once=True)
    assert w.did() == ["a"]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"platforms": ["macos"]}, WrongMachineError, "needs macOS (code 78)"),
        ({"platforms": ["windows"]}, UserError, "there is no platform 'windows'"),
        ({"kinds": ["verfy"]}, UserError, "did you mean 'verify'"),
        ({"kinds": ["script"]}, UserError, "--allow-script"),
        ({"kinds": []}, UserError, "has nothing to do"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused_with_what_to_do(asked: dict[str, Any], error: type[UserError], says: str) -> None:
    """Each mistake is a sentence, and exit code 2."""
    with pytest.raises(error) as caught:
        make(**{"platforms": [], "kinds": ["convert"], "allow_script": False, "system": "linux"} | asked)
    assert says in str(caught.value)
    assert caught.value.exit == Exit.USAGE
    assert isinstance(caught.value, UserError) or caught.value.code == Code.CANNOT_RUN_HERE


def test_the_platform_is_the_machines_unless_said() -> None:
    """macos on a Mac, any elsewhere; --allow-script adds script."""
    assert make(platforms=[], kinds=["convert"], allow_script=False, system="darwin").platforms == ("macos",)
    made = make(platforms=[], kinds=["convert"], allow_script=True, system="linux")
    assert (made.platforms, made.kinds) == (("any",), ("convert", "script"))


def test_a_ticket_may_not_carry_another_ones_job() -> None:
    """The attempt that is taken is the attempt that is worked on."""
    with pytest.raises(RefusedError, match="its job is for attempt 1 of verify/bbbb"):
        World().runner.rules.accept(ticket("a").but(job=ticket("b").job), store="s")


def test_what_dead_runners_of_this_machine_left_is_cleared_away() -> None:
    """Of this process's own machine alone: a dead process's word goes, a live one's and another machine's stay."""
    store = MemoryStore()
    node = host().split("/")[0]
    mine = {"pid": 2**22 + 1, "pid_started": "1"}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as live:
        for name, said in {
            "dead": {"host": host(), **mine},
            "live": {"host": host(), "pid": live.pid, "pid_started": started(live.pid)},
            "elsewhere": {"host": f"not-{node}/x", **mine},
        }.items():
            store.write(names.runner(name), Presence(name=name, **said).to_bytes())
        announce.predecessors(store, wait=lambda s: True, say=lambda text: None)
        live.kill()
    assert [stat.key for stat in store.list("runners/")] == ["runners/elsewhere.json", "runners/live.json"]


def test_the_agent_is_what_launchd_reads() -> None:
    """The plist, filled in as setup.sh does it: started at login and again, time to stop in, and what it began outlives it."""
    text = (MACOS / "org.lading.runner.plist").read_text().replace("@HOME@", "/Users/x/.lading-runner").replace("@LOG@", "/Users/x/log")
    agent = plistlib.loads(text.encode())
    assert agent["ProgramArguments"] == ["/Users/x/.lading-runner/run.sh"]
    assert agent["KeepAlive"] is agent["RunAtLoad"] is agent["AbandonProcessGroup"] is True
    assert agent["ExitTimeOut"] >= 60
    assert "@" not in text.partition("<dict>")[2]


@pytest.mark.skipif(sys.platform == "darwin", reason="this is a Mac")
def test_the_set_up_says_what_it_is_for_elsewhere() -> None:
    """Not on Linux: 78, and the command for here."""
    said = subprocess.run(["bash", str(MACOS / "setup.sh"), "--store", "s3://b/p"], capture_output=True, text=True, check=False)
    assert said.returncode == 78
    assert "lading runner --platform any" in said.stderr
    assert subprocess.run(["bash", str(MACOS / "setup.sh"), "--nonsense"], capture_output=True, check=False).returncode == 2
