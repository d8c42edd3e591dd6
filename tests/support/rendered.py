"""Stage Jobs as they are rendered, for tests that look into them."""

from typing import Any

from lading.backends.kubernetes import render
from lading.config.cluster import Cluster
from lading.config.resources import Resources
from lading.plan.job import JobSpec

Object = dict[str, Any]


def job(kind: str = "train", resources: Object | None = None, **words_: Any) -> JobSpec:
    """An attempt with fixed keys."""
    fixed: Object = {"run": "r1", "stage": kind, "kind": kind, "key": "a" * 64, "attempt": 1, "nonce": "0" * 32, "store": "s3://b/p"}
    fixed |= {"settings": {}, "fingerprint": "f" * 64, "resources": Resources.model_validate(resources or {})}
    return JobSpec.model_validate({**fixed, **words_})


def rendered(one: JobSpec | None = None, /, **settings: Any) -> Object:
    """Its Job."""
    return render.stage_job(one or job(), Cluster.model_validate(settings), namespace="ml")


def pod(made: Object) -> Object:
    """The Job's pod spec."""
    found: Object = made["spec"]["template"]["spec"]
    return found


def container(made: Object) -> Object:
    """Its one container."""
    (found,) = pod(made)["containers"]
    return dict(found)


def env(made: Object) -> dict[str, str]:
    """The container's environment."""
    return {each["name"]: each["value"] for each in container(made)["env"]}
