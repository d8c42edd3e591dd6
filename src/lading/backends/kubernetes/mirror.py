"""A mirror of a namespace's stage Jobs and pods, kept by watches: no polling of Jobs, however many there are."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lading.backends.kubernetes import words
from lading.logs import get_logger

Object = dict[str, Any]
Lister = Callable[..., Any]
WATCH_S = 240
"""A watch is renewed at least so often."""
PAGE = 50
"""Objects of one answer: a thousand whole ones at once would be most of a launcher's memory."""
PAUSE_S = (1.0, 15.0)
"""After a watch was lost, growing."""
log = get_logger()


class Mirror:
    """Jobs and pods by name, as the API server last said; `changed` is set at every change.

    Args:
        jobs: lists or watches Jobs; called with the words of the API's query, gives a raw response.
        pods: the same for pods.
    """

    def __init__(self, jobs: Lister, pods: Lister) -> None:
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._jobs: dict[str, Object] = {}
        self._pods: dict[str, dict[str, Object]] = {}
        self._stop = threading.Event()
        self._synced = {"Job": threading.Event(), "Pod": threading.Event()}
        self._threads = [
            threading.Thread(target=self._keep, args=(lister, kind), name=f"watch-{kind}", daemon=True)
            for lister, kind in ((jobs, "Job"), (pods, "Pod"))
        ]
        for thread in self._threads:
            thread.start()

    def synced(self, timeout_s: float) -> bool:
        """Whether both lists have been read once."""
        return all(event.wait(timeout_s) for event in self._synced.values())

    @property
    def alive(self) -> bool:
        """Whether changes still arrive: both watches are kept."""
        return all(thread.is_alive() for thread in self._threads)

    def job(self, name: str) -> Object | None:
        """A Job as it was last seen."""
        with self._lock:
            return self._jobs.get(name)

    def pods(self, job: str) -> list[Object]:
        """The pods of a Job."""
        with self._lock:
            return list(self._pods.get(job, {}).values())

    def put(self, job: Object) -> None:
        """A Job that was just created, before the watch tells."""
        with self._lock:
            self._jobs.setdefault(job["metadata"]["name"], _slim(job))

    def close(self) -> None:
        """Ends the watches."""
        self._stop.set()

    def _keep(self, lister: Lister, kind: str) -> None:
        pause = PAUSE_S[0]
        while not self._stop.is_set():
            try:
                version = self._list(lister, kind)
                pause = PAUSE_S[0]
                while version and not self._stop.is_set():
                    version = self._watch(lister, kind, version)
            except Exception as error:  # noqa: BLE001 - whatever the network did: list again, after a pause
                said = next(iter(str(error).splitlines()), "") or type(error).__name__
                log.info("watch.lost", kind=kind, problem=said[:200])
                self._stop.wait(pause)
                pause = min(pause * 2, PAUSE_S[1])

    def _list(self, lister: Lister, kind: str) -> str:
        """Everything anew, a page at a time; gives the version from which to watch."""
        jobs: dict[str, Object] = {}
        pods: dict[str, dict[str, Object]] = {}
        asked: Object = {"labelSelector": words.SELECTOR, "limit": PAGE}
        while True:
            page, version, rest = _page(lister, asked)
            for job, item in page:
                group = jobs if kind == "Job" else pods.setdefault(job, {})
                group[item["metadata"]["name"]] = item
            if not rest:
                break
            asked["continue"] = rest
        with self._lock:
            if kind == "Job":
                self._jobs = jobs
            else:
                self._pods = pods
        self._synced[kind].set()
        self.changed.set()
        return version

    def _watch(self, lister: Lister, kind: str, version: str) -> str:
        """Follows changes until the watch ends; gives the version to go on from, or none where a new list is due."""
        response = lister(
            labelSelector=words.SELECTOR,
            watch=True,
            resourceVersion=version,
            allowWatchBookmarks=True,
            timeoutSeconds=WATCH_S,
            stream_s=WATCH_S + 30,
        )
        began = time.monotonic()
        try:
            for event in _events(response):
                if event["type"] == "ERROR":  # 410 Gone: too old
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(kind, event["type"], event["object"])
                if self._stop.is_set():
                    break
        finally:
            response.release_conn()
        if time.monotonic() - began < 1:
            self._stop.wait(1)
        return str(version)

    def _take(self, kind: str, what: str, item: Object) -> None:
        name = item["metadata"]["name"]
        group = self._jobs if kind == "Job" else self._pods.setdefault(_job_of(item), {})
        with self._lock:
            if what == "DELETED":
                group.pop(name, None)
            else:
                group[name] = _slim(item)
        self.changed.set()


def _events(response: Any) -> Iterator[Object]:
    """One JSON document a line."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())


def _page(lister: Lister, asked: Object) -> tuple[list[tuple[str, Object]], str, str]:
    """What is kept of one page, with each pod's Job; the list's version, and where it goes on. The whole objects are let go of here."""
    found = json.loads(lister(**asked).data)
    metadata = found["metadata"]
    return [(_job_of(item), _slim(item)) for item in found["items"]], str(metadata["resourceVersion"]), str(metadata.get("continue") or "")


def _job_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name", ""))


def _slim(item: Object) -> Object:
    """What is looked at, and no more."""
    metadata, status = item["metadata"], item.get("status") or {}
    kept = _only(metadata, ("name", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"))
    kept["annotations"] = _only(metadata.get("annotations") or {}, (words.INDEX,))
    told = _only(status, ("phase", "reason", "message"))
    if "conditions" in status:
        told["conditions"] = [_only(one, ("type", "status", "reason", "message")) for one in status["conditions"]]
    if "containerStatuses" in status:
        told["containerStatuses"] = [_only(one, ("name", "image", "state")) for one in status["containerStatuses"]]
    return {"metadata": kept, "spec": {"suspend": (item.get("spec") or {}).get("suspend")}, "status": told}


def _only(found: Object, names: tuple[str, ...]) -> Object:
    return {name: found[name] for name in names if name in found}
