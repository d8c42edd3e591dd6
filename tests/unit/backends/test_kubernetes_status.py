"""What Jobs and pods mean: each of Kubernetes' words to a sentence, and what is no failure at all."""

from typing import Any

import pytest

from lading.attempt.records import Cause
from lading.backends.kubernetes import status
from lading.codes import Code

Object = dict[str, Any]


def job(*conditions: Object, **spec: Any) -> Object:
    """A Job with conditions that hold."""
    return {"metadata": {"name": "j"}, "spec": spec, "status": {"conditions": [{"status": "True", **each} for each in conditions]}}


def pod(index: int = 0, *, phase: str = "Running", reason: str = "", message: str = "", **state: Any) -> Object:
    """A pod whose one container is in a state: waiting={...}, terminated={...}."""
    conditions = state.pop("conditions", [])
    containers = [{"name": "stage", "image": "reg/train:1", "state": state}] if state else []
    return {
        "metadata": {"name": f"j-{index}", "annotations": {"batch.kubernetes.io/job-completion-index": str(index)}},
        "status": {"phase": phase, "reason": reason, "message": message, "containerStatuses": containers, "conditions": conditions},
    }


@pytest.mark.parametrize("reason", [name for name, row in status.WAITING.items() if row.do])
def test_every_reason_to_wait_is_a_sentence_with_a_next_step(reason: str) -> None:
    """Each row of the table: the image or the kubelet's message, what to do, and no placeholder left."""
    seen = status.sight(job(), [pod(waiting={"reason": reason, "message": "because of this"})])
    assert seen.alive is True
    assert "reg/train:1" in seen.note or "because of this" in seen.note
    assert ";" in seen.note
    assert "{" not in seen.note
    assert status.waiting(job(), [pod(waiting={"reason": reason})])[1] is status.WAITING[reason]


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "SomethingNew"])
def test_what_passes_by_itself_is_no_note(reason: str) -> None:
    """A container that is being created needs no sentence, and neither does a word that is not known."""
    assert status.sight(job(), [pod(waiting={"reason": reason})]).note == ""


def test_a_missing_image_is_named() -> None:
    """ImagePullBackOff says which image, and is given up after a while."""
    note, reason = status.waiting(job(), [pod(waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling"})])
    assert note.startswith("the image reg/train:1 can't be pulled: Back-off pulling; see that the name is right")
    assert reason is not None
    assert reason.hopeless


def test_unschedulable_gives_the_schedulers_own_reason() -> None:
    """Pending, with the scheduler's sentence as it stands."""
    said = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    more = " preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said + more}
    note, reason = status.waiting(job(), [pod(phase="Pending", conditions=[waits])])
    assert note == f"Pending: {said[:-1]}; it waits for room: kubectl describe nodes says what is free"
    assert reason is None


def test_a_used_up_quota_is_waited_for() -> None:
    """The quota's own figures, and nothing hopeless: room comes as other Jobs end."""
    figures = "lading, requested: requests.cpu=4, used: requests.cpu=30, limited: requests.cpu=32"
    text = f'Error creating: pods "j-0" is forbidden: exceeded quota: {figures}'
    note, reason = status.waiting(job(), [], [{"reason": "FailedCreate", "message": text}])
    assert note == f"the namespace's quota is used up: {figures}"
    assert reason is None


def test_a_pod_that_is_refused_is_hopeless() -> None:
    """What admission refuses does not mend itself, and its message is told."""
    text = 'pods "j-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    note, reason = status.waiting(job(), [], [{"reason": "FailedCreate", "message": text}])
    assert "runAsNonRoot != true; mend what the message names" in note
    assert reason is not None
    assert reason.hopeless


def test_a_suspended_job_waits_in_its_queue() -> None:
    """Kueue's suspended Jobs say that they wait, and are alive."""
    seen = status.sight(job(suspend=True), [])
    assert (seen.alive, seen.note) == (True, "waits in its queue (the Job is suspended)")


@pytest.mark.parametrize("reason", sorted(status.TERMINATED))
def test_every_end_without_a_word_has_a_cause(reason: str) -> None:
    """Each row of the table, as a pod's reason and as a container's: cause and code, a sentence without placeholders."""
    cause, code, _ = status.TERMINATED[reason]
    by_pod = status.ended(pod(phase="Failed", reason=reason, message="low on memory"), memory="2Gi")
    by_container = status.ended(pod(terminated={"exitCode": 137, "reason": reason, "message": "m"}), memory="2Gi")
    for outcome in (by_pod, by_container):
        assert outcome is not None
        assert (outcome.cause, outcome.code) == (cause, code)
        assert outcome.message
        assert "{" not in outcome.message


def test_killed_for_memory_names_the_limit() -> None:
    """OOMKilled with 137 is out of memory, at the limit that the stage had."""
    outcome = status.ended(pod(terminated={"exitCode": 137, "reason": "OOMKilled"}), memory="2Gi")
    assert outcome is not None
    assert (outcome.cause, outcome.message) == (Cause.OUT_OF_MEMORY, "killed for memory: its limit is 2Gi")


def test_oomkilled_with_exit_0_is_no_failure() -> None:
    """On cgroup v1 a container that ended well can show the reason: the reason alone decides nothing."""
    assert status.ended(pod(phase="Succeeded", terminated={"exitCode": 0, "reason": "OOMKilled"})) is None


def test_oomkilled_with_a_code_of_the_supervisor_is_that_code() -> None:
    """A supervisor that lived on said what happened itself."""
    outcome = status.ended(pod(terminated={"exitCode": 70, "reason": "OOMKilled"}))
    assert outcome is not None
    assert (outcome.code, outcome.cause) == (Code.FAILED, None)


def test_an_evicted_pod_is_disrupted_whatever_its_container_said() -> None:
    """DisruptionTarget comes before the exit code that the eviction caused."""
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
    outcome = status.ended(pod(phase="Failed", terminated={"exitCode": 75, "reason": "Error"}, conditions=[target]))
    assert outcome is not None
    assert (outcome.code, outcome.cause) == (Code.STOPPED, Cause.DISRUPTED)
    assert "EvictionByEvictionAPI" in outcome.message


@pytest.mark.parametrize("code", [code for code in Code if code])
def test_a_supervisors_code_is_taken_as_it_is(code: Code) -> None:
    """The table of codes is the same in a pod."""
    outcome = status.ended(pod(terminated={"exitCode": int(code), "reason": "Error"}))
    assert outcome is not None
    assert (outcome.code, outcome.cause) == (code, None)


@pytest.mark.parametrize(
    ("code", "expected"), [(137, Code.STOPPED), (143, Code.STOPPED), (1, Code.FAILED), (127, Code.FAILED), (128, Code.FAILED)]
)
def test_other_codes_are_no_supervisors(code: int, expected: Code) -> None:
    """Killed from outside is a disruption; anything else is a failure that names the code."""
    outcome = status.ended(pod(terminated={"exitCode": code, "reason": "Error"}))
    assert outcome is not None
    assert outcome.code == expected
    assert str(code) in outcome.message


def test_the_first_death_is_seen_before_the_job_says_so() -> None:
    """A terminated container is an outcome while the Job still counts as alive."""
    seen = status.sight(job(), [pod(0), pod(1, terminated={"exitCode": 70, "reason": "Error"})])
    assert seen.alive is True
    assert seen.outcomes is not None
    assert set(seen.outcomes) == {"1"}


def test_a_failed_job_outlives_its_pods() -> None:
    """Evicted pods vanish within seconds: the Job's FailureTarget still tells the disruption."""
    said = "Pod ml/j-0 has condition DisruptionTarget matching FailJob rule at index 0"
    seen = status.sight(job({"type": "FailureTarget", "reason": "PodFailurePolicy", "message": said}), [])
    assert seen.alive is False
    assert seen.outcomes is not None
    assert (seen.outcomes["0"].code, seen.outcomes["0"].cause) == (Code.STOPPED, Cause.DISRUPTED)


def test_the_jobs_deadline_is_a_failure_of_the_stages() -> None:
    """activeDeadlineSeconds ends as DEADLINE, not as a disruption that would be tried for ever."""
    seen = status.sight(job({"type": "Failed", "reason": "DeadlineExceeded", "message": "Job was active longer"}), [])
    assert seen.outcomes is not None
    assert (seen.outcomes["0"].cause, seen.outcomes["0"].code) == (Cause.DEADLINE, Code.FAILED)


def test_a_condition_that_does_not_hold_says_nothing() -> None:
    """Failed=False is not Failed."""
    seen = status.sight({"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, [])
    assert seen.alive is True


def test_no_pod_is_no_end() -> None:
    """Absence of pods is never an end; absence of the Job is."""
    assert status.sight(job(), []).alive is True
    assert status.sight(None, []).alive is False


def test_complete_is_gone_without_an_outcome() -> None:
    """A complete Job says nothing about its result: the manifest does."""
    seen = status.sight(job({"type": "Complete"}), [pod(phase="Succeeded", terminated={"exitCode": 0, "reason": "Completed"})])
    assert (seen.alive, seen.outcomes) == (False, None)


def test_a_failing_job_is_alive_until_its_survivors_have_ended() -> None:
    """What a survivor says last is waited for; a disrupted pod that is gone is known by the condition's message."""
    said = "Pod ml/lading-train-0123456789abcdef-1-1-x7k2p has condition DisruptionTarget matching FailJob rule at index 0"
    failing = job({"type": "FailureTarget", "reason": "PodFailurePolicy", "message": said})
    seen = status.sight(failing, [pod(0)])
    assert seen.alive is True
    ended = status.sight(failing, [pod(0, terminated={"exitCode": 76, "reason": "Error"})])
    assert ended.alive is False
    assert ended.outcomes is not None
    assert {index: outcome.cause for index, outcome in ended.outcomes.items()} == {"0": None, "1": Cause.DISRUPTED}


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        (
            'Traceback ...\n  File "a.py", line 3\n{"event": "stage.ended", "code": 69, "message": "the store is away"}\n',
            "the store is away",
        ),
        (
            '{"event": "stage.ended", "message": "these keys are not known"}\n{"event": "outcome.not_stored", "problem": "denied"}\n',
            "these keys are not known",
        ),
        ("ning: x\nRuntimeError: boom", "RuntimeError: boom"),
        ("[1, 2]", ""),
        ("", ""),
    ],
)
def test_of_the_end_of_a_log_the_last_word_is_told(logged: str, told: str) -> None:
    """A supervisor that could not store its outcome said it last in its log; the middle of a traceback says nothing to anybody."""
    outcome = status.ended(pod(phase="Failed", terminated={"exitCode": 69, "reason": "Error", "message": logged}))

    assert outcome is not None
    assert (outcome.code, outcome.message) == (69, told)
