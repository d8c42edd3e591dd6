"""How a launcher in the cluster stands, seen from outside: by the same table of reasons as stages, also before its run wrote anything."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lading.backends.kubernetes import status, words
from lading.backends.kubernetes.connect import Connection, DeniedError, GoneError

LOOK_S = 10.0
"""A launcher that was just made is looked at for so long; one whose image is pulled for longer is on its way."""
STEADY_S = 2.0
"""What passes by itself (a scheduler that has not looked yet) is said only when it has stayed for so long."""
LAUNCHER = "launcher"
"""The component, and the container."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at a launcher's Job."""

    state: Literal["waiting", "running", "complete", "failed", "gone", "unseen"]
    note: str = ""
    """Why it waits or failed (or could not be seen), and what to do; empty where nothing is wrong."""
    hopeless: bool = False
    """Whether waiting does not mend it."""


def standing(job: Object | None, pods: Iterable[Object], events: Iterable[Object] = ()) -> Standing:
    """What is seen of a launcher.

    Args:
        job: the Job, or none if it is not there.
        pods: its pods, as far as they are there.
        events: warnings about the Job and its pods.
    """
    if job is None:
        return Standing("gone", "its Job is not there")
    pods = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    ended = [pod for pod in pods if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}]
    begun = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    conditions = {one["type"]: one for one in (job.get("status") or {}).get("conditions") or () if one.get("status") == "True"}
    if "Complete" in conditions:
        return Standing("complete")
    if failed := conditions.get("Failed") or conditions.get("FailureTarget"):
        return Standing("failed", _last_words(ended) or str(failed.get("message", "")))
    if begun:
        said = _last_words(ended)
        return Standing("running", f"it was started again; before, {said}" if said else "")
    events = list(events)
    note, reason = status.waiting(job, [pod for pod in pods if pod not in ended], events)
    if not note:
        note = _not_mounted(events)
    if not note and (said := _last_words(ended)):
        note = f"{said}; another pod follows"
    return Standing("waiting", note, reason is not None and reason.hopeless)


def _last_words(ended: list[Object]) -> str:
    """How the last pod that ended did, and the end of what it printed."""
    for pod in reversed(ended):
        limits = ((pod.get("spec") or {}).get("containers") or [{}])[0].get("resources", {}).get("limits", {})
        if outcome := status.ended(pod, memory=str(limits.get("memory", "")), container=LAUNCHER):
            return outcome.message.strip()
    return ""


def _not_mounted(events: Iterable[Object]) -> str:
    """The kubelet's word on a volume that is not there: nothing of it is in the pod's status. Other words of it pass by themselves."""
    said = [
        message for event in events if event.get("reason") == "FailedMount" and "not found" in (message := str(event.get("message", "")))
    ]
    return f"a volume can't be mounted: {said[-1]}; kubectl get configmaps,persistentvolumeclaims says what is there" if said else ""


def look(connection: Connection, name: str) -> Standing:
    """One look at a launcher's Job, by its name."""
    return standing(*observed(connection, name))


def observed(connection: Connection, name: str) -> tuple[Object | None, list[Object], list[Object]]:
    """A Job, its pods, and the warnings about them where none runs, as plain data."""
    try:
        job = connection.ask("get jobs", name)
    except GoneError:
        return None, [], []
    pods = connection.ask("list pods", labelSelector=f"batch.kubernetes.io/job-name={name}")["items"]
    phases = {(pod.get("status") or {}).get("phase") for pod in pods}
    if phases & {"Running", "Succeeded"}:
        return job, pods, []
    events: list[Object] = []
    with contextlib.suppress(DeniedError):  # whoever may see pods alone is told what those say
        for one in (name, *(pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") == "Pending")):
            events += connection.ask("list events", fieldSelector=f"involvedObject.name={one},type=Warning")["items"]
    return job, pods, events


def settle(
    look_once: Callable[[], Standing], *, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.monotonic
) -> Standing:
    """Looks at a launcher that was just made until it runs, or can't, or the time is over; at once where all is well."""
    began, since = now(), None
    while True:
        seen, moment = look_once(), now()
        if seen.state != "waiting" or seen.hopeless or moment - began >= LOOK_S:
            return seen
        since = (since if since is not None else moment) if seen.note else None
        if since is not None and moment - since >= STEADY_S:
            return seen
        sleep(0.3)


def launchers(connection: Connection) -> Iterator[tuple[str, Object]]:
    """The launcher Jobs of a namespace, the newest last: the run of each, and the Job."""
    found = connection.ask("list jobs", labelSelector=f"{words.COMPONENT}={LAUNCHER}")["items"]
    for job in sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"])):
        command = [str(word) for word in job["spec"]["template"]["spec"]["containers"][0].get("command") or ()]
        if "--run" in command[:-1]:
            yield command[command.index("--run") + 1], job
