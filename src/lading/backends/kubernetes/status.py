"""What a Job and its pods mean: foreign words mapped to ours in tables, so that a status explains itself. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lading import names
from lading.attempt.records import Cause, Outcome
from lading.backends.base import Sight
from lading.backends.kubernetes import words
from lading.codes import Code

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one of Kubernetes' words means to a person."""

    sentence: str
    """`{image}`, `{message}`, `{limit}` are filled in."""
    do: str
    hopeless: bool = False
    """Whether waiting does not mend it, so that the attempt fails after a while."""


WAITING: dict[str, Reason] = {
    "ImagePullBackOff": Reason(
        "the image {image} can't be pulled: {message}",
        "see that the name is right, that it was pushed, and that `image_pull_secrets` may read it",
        True,
    ),
    "ErrImagePull": Reason(
        "the image {image} can't be pulled: {message}",
        "see that the name is right, that it was pushed, and that `image_pull_secrets` may read it",
        True,
    ),
    "InvalidImageName": Reason("{image} is no image name", "mend kubernetes.images or the stage's image", True),
    "ErrImageNeverPull": Reason(
        "the image {image} is not on the node, and image_pull_policy is Never", "load it into the nodes, or change the policy", True
    ),
    "CreateContainerConfigError": Reason(
        "the container can't be configured: {message}", "a Secret or ConfigMap that the pod names is missing: kubectl get secrets", True
    ),
    "CreateContainerError": Reason("the container can't be created: {message}", "kubectl describe pod {pod}", True),
    "RunContainerError": Reason("the container can't be started: {message}", "kubectl describe pod {pod}", True),
    "CrashLoopBackOff": Reason("the container ends again and again: {message}", "kubectl logs {pod}", True),
    "ContainerCreating": Reason("its container is being created", ""),
    "PodInitializing": Reason("its pod is being initialised", ""),
}
"""Reasons for which a container waits."""

TERMINATED: dict[str, tuple[Cause, Code, str]] = {
    "OOMKilled": (Cause.OUT_OF_MEMORY, Code.FAILED, "killed for memory: its limit is {limit}"),
    "DeadlineExceeded": (Cause.DEADLINE, Code.FAILED, "it took longer than its deadline"),
    "ContainerStatusUnknown": (Cause.DISRUPTED, Code.STOPPED, "its node went away"),
    "NodeLost": (Cause.DISRUPTED, Code.STOPPED, "its node went away"),
    "Evicted": (Cause.DISRUPTED, Code.STOPPED, "evicted: {message}"),
    "Preempting": (Cause.DISRUPTED, Code.STOPPED, "preempted by a pod of higher priority"),
    "Shutdown": (Cause.DISRUPTED, Code.STOPPED, "its node was shut down"),
}
"""Reasons for which a pod or container ended without a word of its supervisor's."""


def sight(job: Object | None, pods: Iterable[Object], events: Iterable[Object] = (), *, memory: str = "") -> Sight:
    """What is seen of one attempt.

    Args:
        job: the Job, or none if it is not there.
        pods: its pods, as far as they are there.
        events: warnings about the Job, for when it has no pod.
        memory: the stage's limit, for the sentence.
    """
    if job is None:
        return Sight(alive=False, note="its Job is not there")
    pods = list(pods)
    outcomes = {index(pod): outcome for pod in pods if (outcome := ended(pod, memory=memory))}
    conditions = {one["type"]: one for one in (job.get("status") or {}).get("conditions") or () if one.get("status") == "True"}
    failed = conditions.get("FailureTarget") or conditions.get("Failed")
    if failed:
        if disrupted := _disrupted_index(failed):
            outcomes.setdefault(disrupted, _of_condition(failed))
        outcomes = outcomes or {"0": _of_condition(failed)}
        # Survivors are being stopped, and may still say more than their pods show: the end is when all have ended.
        ending = "Failed" not in conditions and any(not _over(pod) for pod in pods)
        return Sight(alive=ending, outcomes=outcomes, note=str(failed.get("message", "")))
    if "Complete" in conditions:
        return Sight(alive=False, note="its Job is complete")
    return Sight(alive=True, outcomes=outcomes or None, note=waiting(job, pods, events)[0], mark=_mark(job, pods))


def _mark(job: Object, pods: Iterable[Object]) -> str:
    """The versions of all that belongs to it."""
    return " ".join(sorted(str((one.get("metadata") or {}).get("resourceVersion", "")) for one in (job, *pods)))


def _over(pod: Object) -> bool:
    """Whether nothing of the pod runs any more."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    return status.get("phase") in {"Succeeded", "Failed"} or (
        bool(containers) and all((one.get("state") or {}).get("terminated") for one in containers)
    )


def _disrupted_index(condition: Object) -> str:
    """The index of the pod whose disruption ended the Job: the condition names it, when the pod itself is gone long since."""
    found = re.search(r"-(\d+)-\w+ has condition DisruptionTarget", str(condition.get("message", "")))
    return found[1] if found else ""


def waiting(job: Object, pods: Iterable[Object], events: Iterable[Object] = ()) -> tuple[str, Reason | None]:
    """What an attempt waits for, in a sentence; empty if it runs."""
    pods = list(pods)
    if (job.get("spec") or {}).get("suspend"):
        return "waits in its queue (the Job is suspended)", None
    if not pods:
        for event in events:
            if event.get("reason") == "FailedCreate":
                return _refused(str(event.get("message", "")))
        return "", None
    for pod in pods:
        if said := _pod_waits(pod):
            return said
    return "", None


def _refused(message: str) -> tuple[str, Reason | None]:
    """Why the Job's pods are not even created."""
    if "exceeded quota" in message:
        return f"the namespace's quota is used up: {message.partition('exceeded quota: ')[2] or message}", None
    reason = Reason(
        "its pod is refused: {message}", "mend what the message names in the pipeline's `kubernetes:`, or the namespace's policy", True
    )
    return f"{reason.sentence.format(message=message)}; {reason.do}", reason


def _pod_waits(pod: Object) -> tuple[str, Reason | None] | None:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        state = (container.get("state") or {}).get("waiting")
        if state and state.get("reason") in WAITING:
            reason = WAITING[state["reason"]]
            if not reason.do:
                return None
            text = reason.sentence.format(image=container.get("image", ""), message=state.get("message", state["reason"]))
            return f"{text}; {reason.do.format(pod=pod['metadata']['name'])}", reason
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = str(condition.get("message") or condition.get("reason")).partition(" preemption: ")[0].rstrip(".")
            return f"Pending: {said}; it waits for room: kubectl describe nodes says what is free", None
    return None


def ended(pod: Object, *, memory: str = "", container: str = words.CONTAINER) -> Outcome | None:
    """How a pod ended that could not say so itself; none if it runs, ended well, or its supervisor gave a code of its own."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            said = f"{condition.get('reason', 'disrupted')}: {condition.get('message', '')}"
            return Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED, message=said)
    for one in status.get("containerStatuses") or ():
        state = (one.get("state") or {}).get("terminated")
        if one.get("name") == container and state and state.get("exitCode"):
            return _terminated(state, memory)
    if status.get("phase") == "Failed" and status.get("reason") in TERMINATED:
        cause, code, sentence = TERMINATED[status["reason"]]
        return Outcome(code=code, cause=cause, message=sentence.format(limit=memory, message=status.get("message", "")))
    return None


def _terminated(state: Object, memory: str) -> Outcome:
    code, reason = int(state["exitCode"]), str(state.get("reason", ""))
    if reason in TERMINATED and (reason != "OOMKilled" or code == 137):  # the reason alone decides nothing on cgroup v1
        cause, own, sentence = TERMINATED[reason]
        return Outcome(code=own, cause=cause, message=sentence.format(limit=memory, message=state.get("message", "")))
    if code in set(Code) and code:
        return Outcome(code=Code(code), message=_last_word(str(state.get("message", ""))))
    if code in {137, 143}:
        return Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED, message=f"its container was killed from outside (exit code {code})")
    return Outcome(code=Code.FAILED, message=f"its container ended with {code}: {str(state.get('message', ''))[-500:]}")


def _last_word(logged: str) -> str:
    """What a supervisor said when it ended, out of the end of its log; it may be followed by what could not be stored."""
    last = ""
    for line in reversed(logged.strip().splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            last = last or line[-500:]
            continue
        if isinstance(said, dict) and said.get("event") == names.EVENT_ENDED:
            return str(said.get("message", ""))
    return last


def _of_condition(condition: Object) -> Outcome:
    """The Job's own word, which outlives its pods."""
    reason, message = str(condition.get("reason", "")), str(condition.get("message", ""))
    if reason == "DeadlineExceeded":
        return Outcome(code=Code.FAILED, cause=Cause.DEADLINE, message="it took longer than its deadline")
    if "DisruptionTarget" in message:
        return Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED, message=message)
    return Outcome(code=Code.STOPPED, cause=Cause.DISRUPTED, message=f"its pods went away: {message}")


def index(pod: Object) -> str:
    """A pod's completion index."""
    metadata = pod["metadata"]
    return str((metadata.get("annotations") or {}).get(words.INDEX, "0"))
