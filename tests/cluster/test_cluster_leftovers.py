"""What a submitted run leaves in the cluster, and what takes it away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from lading.backends.kubernetes import words
from lading.backends.kubernetes.connect import Connection
from lading.cli.cluster_tidy import tidy
from support.kube import Kube, sh

ONE = {"one": sh("echo apples >$LADING_OUTPUT/a.txt")}


class Racing(Connection):
    """A connection in whose midst somebody else does something: right before the first ConfigMap is deleted, or right after."""

    def __init__(self, namespace: str, *, before: Callable[[], Any] = lambda: None, after: Callable[[], Any] = lambda: None) -> None:
        super().__init__(None, namespace)
        self.before, self.after = before, after

    def ask(self, verb: str, name: str = "", *, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """The call, with what happens around it."""
        if verb != "delete configmaps":
            return super().ask(verb, name, body=body, **query)
        self.before()
        try:
            return super().ask(verb, name, body=body, **query)
        finally:
            self.after()


def later(kube: Kube, hours: float, connection: Connection | None = None) -> list[str]:
    """What a submission so many hours later takes away."""
    (newest, *_) = sorted(maps(kube).values(), key=lambda one: one.metadata.creation_timestamp, reverse=True)
    moment = (newest.metadata.creation_timestamp + timedelta(hours=hours)).isoformat()
    return list(tidy(connection or Connection(None, kube.namespace), {"metadata": {"creationTimestamp": moment}}))


def maps(kube: Kube) -> dict[str, Any]:
    """The namespace's ConfigMaps of runs."""
    found = kube.core.list_namespaced_config_map(kube.namespace, label_selector=words.RUN).items
    return {one.metadata.name: one for one in found}


def delete_jobs(kube: Kube, component: str) -> None:
    """As their TTL does."""
    for job in kube.jobs(component):
        kube.batch.delete_namespaced_job(job.metadata.name, kube.namespace, propagation_policy="Background")
    kube.wait(f"no Job of a {component}", lambda: not kube.jobs(component))


def test_a_config_map_goes_with_a_later_submission(kube: Kube) -> None:
    """Not while a Job of its run is there, a launcher's or a stage's, and not while it is young; what is not a run's is left alone."""
    file = kube.pipeline(ONE)
    kube.lading("submit", file, "--store", kube.uri, "--run", "r1")
    assert kube.ended("r1")["state"] == "succeeded"
    (name,) = maps(kube)
    theirs = {"metadata": {"name": "theirs", "labels": {words.RUN: "r0", words.COMPONENT: "launcher"}}, "data": {"pipeline.json": "{}"}}
    kube.core.create_namespaced_config_map(kube.namespace, theirs)
    assert later(kube, 2) == []
    delete_jobs(kube, "launcher")
    assert later(kube, 2) == [], "a stage's Job is there, which it owns"
    delete_jobs(kube, "stage")
    assert later(kube, 0.5) == []
    assert name not in kube.lading("submit", file, "--store", kube.uri, "--run", "r2").out
    assert kube.ended("r2")["state"] == "succeeded"
    assert later(kube, 2) == [f"configmap/{name} removed: its run has no Job any more"]
    assert name not in maps(kube)
    assert "theirs" in maps(kube)

    again = kube.lading("submit", file, "--store", kube.uri, "--run", "r1").out
    assert f"configmap/{name} created" in again
    assert later(kube, 2) == []


def test_a_run_that_is_submitted_again_meanwhile_keeps_its_own(kube: Kube) -> None:
    """Whichever of the two is first: the launcher finds its pipeline."""
    file = kube.pipeline(ONE)
    line = ("submit", file, "--store", kube.uri, "--run", "r1")

    def submit() -> None:
        kube.lading(*line, code=None)

    for moment in ("before", "after"):
        kube.lading(*line)
        assert kube.ended("r1")["state"] == "succeeded"
        delete_jobs(kube, "launcher")
        delete_jobs(kube, "stage")
        assert later(kube, 2, Racing(kube.namespace, **{moment: submit})) == [], moment
        (job,) = kube.jobs("launcher")
        assert list(maps(kube)) == [job.metadata.name], moment
        kube.wait("the launcher's end", lambda: [one for one in kube.jobs("launcher") if one.status.succeeded])
