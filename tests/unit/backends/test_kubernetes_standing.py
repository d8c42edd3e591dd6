"""How a launcher stands: what its Job and pods mean, and for how long `submit` looks."""

from typing import Any

import pytest

from lading.backends.kubernetes import status
from lading.backends.kubernetes.standing import LOOK_S, STEADY_S, Standing, settle, standing

Object = dict[str, Any]


def job(*conditions: Object) -> Object:
    """A Job with conditions that hold."""
    return {"metadata": {"name": "j"}, "spec": {}, "status": {"conditions": [{"status": "True", **each} for each in conditions]}}


def pod(phase: str = "Pending", at: str = "2026-01-01T00:00:00Z", conditions: tuple[Object, ...] = (), **state: Any) -> Object:
    """A launcher's pod, whose container is in a state."""
    containers = [{"name": "launcher", "image": "reg/launch:1", "state": state}] if state else []
    spec = {"containers": [{"resources": {"limits": {"memory": "512Mi"}}}]}
    metadata = {"name": "j-abc", "creationTimestamp": at}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase, "containerStatuses": containers, "conditions": list(conditions)}}


def ended(code: int, message: str, **more: Any) -> Object:
    """A pod that ended with a code and last words."""
    return pod("Failed", **more, terminated={"exitCode": code, "message": message, "reason": "Error"})


@pytest.mark.parametrize("reason", [name for name, row in status.WAITING.items() if row.do])
def test_reasons_are_those_of_stages(reason: str) -> None:
    """Each row of the one table, with what to do."""
    seen = standing(job(), [pod(waiting={"reason": reason, "message": "because"})])
    assert (seen.state, seen.hopeless) == ("waiting", status.WAITING[reason].hopeless)
    assert "reg/launch:1" in seen.note or "because" in seen.note
    assert ";" in seen.note


def test_no_room_and_no_quota() -> None:
    """The scheduler's and the quota's own figures; both may pass."""
    waits = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}
    assert standing(job(), [pod(conditions=(waits,))]) == Standing(
        "waiting", "Pending: 0/1 nodes are available: 1 Insufficient cpu; it waits for room: kubectl describe nodes says what is free"
    )
    event = {"reason": "FailedCreate", "message": "exceeded quota: few, requested: pods=1"}
    assert standing(job(), [], [event]).note == "the namespace's quota is used up: few, requested: pods=1"


def test_a_volume_that_is_not_there() -> None:
    """Nothing of it is in the pod's status: the kubelet's warning is told."""
    event = {"reason": "FailedMount", "message": 'configmap "ca" not found'}
    seen = standing(job(), [pod(waiting={"reason": "ContainerCreating"})], [event])
    assert seen.note.startswith('a volume can\'t be mounted: configmap "ca" not found; ')


def test_all_is_well() -> None:
    """A pod that runs, one whose container is being created, a Job that is complete, one without a pod yet: nothing to say, but of what
    ended a pod before the one that runs."""
    assert standing(job(), [pod("Running")]) == Standing("running")
    again = standing(job(), [ended(4, "no bucket"), pod("Running", at="2026-01-01T00:01:00Z")])
    assert again == Standing("running", "it was started again; before, its container ended with 4: no bucket")
    assert standing(job(), [pod(waiting={"reason": "ContainerCreating"})]) == Standing("waiting")
    busy = {
        "reason": "FailedMount",
        "message": "MountVolume.SetUp failed: failed to sync configmap cache: timed out waiting for the condition",
    }
    assert standing(job(), [pod(waiting={"reason": "ContainerCreating"})], [busy]) == Standing("waiting")
    assert standing(job({"type": "Complete"}), [pod("Succeeded")]) == Standing("complete")
    assert standing(job(), []) == Standing("waiting")
    assert standing(None, []).state == "gone"


def test_last_words() -> None:
    """A launcher that ended is told with its code and the end of its log; its Job goes on, or has failed for good."""
    said = "the bucket b is not there\n  do: aws s3 mb"
    again = standing(job(), [ended(4, "older", at="2026-01-01T00:00:00Z"), ended(4, said, at="2026-01-01T00:01:00Z")])
    assert (again.state, again.hopeless) == ("waiting", False)
    assert again.note == f"its container ended with 4: {said}; another pod follows"
    failed = standing(job({"type": "Failed", "message": "policy"}), [ended(2, said)])
    assert failed == Standing("failed", f"its container ended with 2: {said}")
    assert standing(job({"type": "Failed", "message": "policy"}), []) == Standing("failed", "policy")
    killed = pod("Failed", terminated={"exitCode": 137, "reason": "OOMKilled"})
    assert "killed for memory: its limit is 512Mi" in standing(job(), [killed]).note


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def looked(*seen: tuple[float, Standing]) -> tuple[Standing, float]:
    """What settle gives, and after how long, of a launcher that stands so from those moments on."""
    clock = Clock()

    def look() -> Standing:
        return [one for since, one in seen if clock.now - 100 >= since][-1]

    return settle(look, sleep=clock.sleep, now=lambda: clock.now), clock.now - 100


def test_submit_looks_no_longer_than_it_must() -> None:
    """At once where the pod runs or can never start; what may pass is said once it stayed; at the bound in any case."""
    waiting, no_room = Standing("waiting"), Standing("waiting", "no room")
    assert looked((0, Standing("running"))) == (Standing("running"), 0)
    assert looked((0, waiting), (0.8, Standing("running")))[1] < 1.5
    hopeless = Standing("waiting", "no image", hopeless=True)
    seen, after = looked((0, waiting), (1, hopeless))
    assert (seen, after < 1.5) == (hopeless, True)
    seen, after = looked((0, no_room), (1, waiting), (3, Standing("running")))
    assert (seen.state, after >= 3) == ("running", True)
    seen, after = looked((0, waiting), (1, no_room))
    assert (seen, 1 + STEADY_S <= after < 4) == (no_room, True)
    seen, after = looked((0, waiting))
    assert (seen, LOOK_S <= after < LOOK_S + 1) == (waiting, True)
