"""The mirror of Jobs and pods: lists come in pages, and what is kept is what is looked at."""

import json
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lading.backends.kubernetes import status
from lading.backends.kubernetes.backend import KubernetesBackend
from lading.backends.kubernetes.connect import Connection
from lading.backends.kubernetes.mirror import PAGE, Mirror
from lading.config.cluster import Cluster

POD = {
    "metadata": {
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {"batch.kubernetes.io/job-completion-index": "3", "lading/job": "x" * 5000},
        "managedFields": ["x" * 5000],
    },
    "spec": {"containers": [{"env": ["x" * 5000]}]},
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes", "lastTransitionTime": "2026"}],
        "containerStatuses": [
            {"name": "stage", "image": "i", "imageID": "x" * 100, "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
        ],
    },
}


class Api:
    """Lists of a thousand objects a page at a time, and watches that never say anything."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.asked = items, list[dict[str, Any]]()

    def __call__(self, **words: Any) -> Any:
        if words.get("watch"):
            return SimpleNamespace(stream=lambda **_: iter(()), release_conn=lambda: None)
        self.asked.append(words)
        first = int(words.get("continue", "0"))
        page = self.items[first : first + words["limit"]]
        more = {"continue": str(first + len(page))} if first + len(page) < len(self.items) else {}
        return SimpleNamespace(data=json.dumps({"items": page, "metadata": {"resourceVersion": "9", **more}}))


def pod(number: int) -> dict[str, Any]:
    """A pod of a Job of its own."""
    labels = {"batch.kubernetes.io/job-name": f"j{number}"}
    return {**POD, "metadata": {**POD["metadata"], "name": f"p{number}", "labels": labels}}


def test_long_lists_come_in_pages_and_nothing_is_left_out() -> None:
    """A thousand pods are listed in pages, and all of them are there."""
    pods, jobs = Api([pod(number) for number in range(1000)]), Api([])
    mirror = Mirror(jobs, pods)
    try:
        assert mirror.synced(10)
        assert len(pods.asked) == 1000 / PAGE
        assert all(len(mirror.pods(f"j{number}")) == 1 for number in range(1000))
    finally:
        mirror.close()


def test_what_is_kept_of_a_pod_says_all_that_is_asked_of_it() -> None:
    """Little is kept of an object, and a status that is read from it is the one that the whole object gives."""
    mirror = Mirror(Api([]), Api([pod(1)]))
    try:
        assert mirror.synced(10)
        (kept,) = mirror.pods("j1")
    finally:
        mirror.close()
    assert len(json.dumps(kept)) < 700
    job = {"metadata": {"resourceVersion": "1"}, "status": {}}
    assert status.sight(job, [kept]) == status.sight(job, [pod(1)])
    assert status.index(kept) == "3"
    assert "ErrImagePull" not in status.sight(job, [kept]).note
    assert "can't be pulled" in status.sight(job, [kept]).note


class SilentError(Exception):
    """An exception without a word."""

    def __str__(self) -> str:
        return ""


def test_a_watch_that_breaks_without_a_word_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever text an error has, or none: there is a list again after a pause."""
    monkeypatch.setattr("lading.backends.kubernetes.mirror.PAUSE_S", (0.01, 0.01))
    errors: list[Exception] = [SilentError(), RuntimeError(""), RuntimeError("\n")]
    jobs = Api([{"metadata": {"name": "j1", "uid": "u", "resourceVersion": "1"}}])

    def faulty(**words: Any) -> Any:
        if errors:
            raise errors.pop()
        return jobs(**words)

    mirror = Mirror(faulty, Api([]))
    try:
        assert mirror.synced(10)
        assert mirror.job("j1")
        assert mirror.alive
    finally:
        mirror.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mirror_whose_thread_has_died_is_made_anew() -> None:
    """A launcher that would see no change for ever looks with a new one."""
    died = threading.Event()

    def jobs(**words: Any) -> Any:
        if words.get("watch") and not died.is_set():
            died.set()
            raise KeyboardInterrupt  # whatever goes past every handler
        return listed(**words)

    listed = Api([{"metadata": {"name": "j1", "uid": "u", "resourceVersion": "1"}}])
    answers = {"list jobs": jobs, "list pods": Api([])}
    connection = SimpleNamespace(namespace="n", ask=lambda *_, **__: None, raw=lambda verb, **words: answers[verb](**words))
    backend = KubernetesBackend(Cluster(), connection=cast(Connection, connection))
    try:
        first = backend.mirror
        assert died.wait(10)
        deadline = time.monotonic() + 10
        while first.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not first.alive
        assert backend.mirror is not first
        assert backend.mirror.alive
        assert backend.mirror.job("j1")
    finally:
        backend.close()
