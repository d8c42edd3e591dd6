"""What is generated for a cluster: the goldens under k8s/rendered, and the `kubernetes` part of the chart's schema.

`make verify` runs it and fails where anything differs from what is committed.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from lading.backends.kubernetes import launcher, render
from lading.config.cluster import Cluster
from lading.config.loader import from_data
from lading.config.resources import Resources
from lading.manifest.model import InputRef
from lading.plan.job import JobSpec

HERE = Path(__file__).parent
SCHEMA = HERE.parent / "helm/lading/values.schema.json"
CHARTS = (
    "namespace",
    "context",
    "images",
    "image_pull_policy",
    "service",
    "store",
    "ca_bundle",
    "image_pull_secrets",
    "service_account_annotations",
)
"""Fields of the `kubernetes:` map that the chart's other values say."""
STORE = "s3://bucket/lading"
NAMESPACE = "ml"
DIGEST = "sha256:" + "d" * 64
IMAGES = {
    "launch": f"registry.example/lading-launch@{DIGEST}",
    "train": "registry.example/lading-train:1.0",
    "export": "registry.example/lading-export:1.0",
}
PIPELINE = {"pipeline": "hello", "stages": {"hello": {"kind": "script", "settings": {"command": ["echo", "hello"]}}}}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "digits-1", "uid": "00000000-0000-0000-0000-000000000001"}


def job(kind: str, resources: dict[str, Any], **words: Any) -> JobSpec:
    """An attempt with fixed keys."""
    fixed: dict[str, Any] = {"run": "20260101T000000Z-0abc", "stage": kind, "kind": kind, "key": "a" * 64, "attempt": 1, "nonce": "0" * 32}
    fixed |= {"store": STORE, "settings": {}, "fingerprint": "f" * 64, "resources": Resources.model_validate(resources)}
    return JobSpec.model_validate({**fixed, **words})


def cluster(**words: Any) -> Cluster:
    """A `kubernetes:` map."""
    return Cluster.model_validate({"images": IMAGES, "env_from_secrets": ["store"], **words})


def rendered() -> dict[str, list[dict[str, Any]]]:
    """File to the objects in it."""
    data = InputRef.model_validate({"kind": "data", "key": "b" * 64, "n": 1, "result": "c" * 64})
    gang = job(
        "train", {"nodes": 2, "devices": 4, "gpus": 4, "cpu": 16, "memory": "64Gi", "shm": "8Gi", "deadline_s": 7200}, inputs={"data": data}
    )
    gpu = {
        "node_selector": {"accelerator": "h100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "network_interface": "eth0",
        "volumes": {"corpus": {"claim": "corpus", "path": "/data"}},
    }
    single = job("data", {"cpu": 2, "memory": "4Gi"})
    return {
        "stage-single": [render.stage_job(single, cluster(), namespace=NAMESPACE)],
        "stage-two-nodes-gpus": [render.stage_job(gang, cluster(stages={"train": gpu}, ca_bundle="ca"), namespace=NAMESPACE, owner=OWNER)],
        "stage-queue": [render.stage_job(single, cluster(queue="team-a", ephemeral_storage="20Gi"), namespace=NAMESPACE)],
        "launcher": launcher.objects(
            from_data(PIPELINE, folder="").but(folder=""), cluster(), run="20260101T000000Z-0abc", store=STORE, namespace=NAMESPACE
        ),
    }


def schema(base: dict[str, Any]) -> dict[str, Any]:
    """The chart's schema with its `kubernetes` part made anew from the model."""
    model = Cluster.model_json_schema()
    for name in CHARTS:
        model["properties"].pop(name)
    definitions = model.pop("$defs")
    definitions.pop("Images")
    model["description"] = "Laid over the pipeline's own `kubernetes:` map, field by field"
    return {**base, "$defs": definitions, "properties": {**base["properties"], "kubernetes": model}}


class Plain(yaml.SafeDumper):
    """Without anchors: one object is read alone."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class asks for it
        """Always."""
        return True


def main() -> None:
    """Writes them all."""
    folder = HERE / "rendered"
    for old in folder.glob("*.yaml"):
        old.unlink()
    for name, objects in rendered().items():
        (folder / f"{name}.yaml").write_text(yaml.dump_all(objects, Dumper=Plain, sort_keys=False, width=140))
    SCHEMA.write_text(json.dumps(schema(json.loads(SCHEMA.read_text())), indent=2) + "\n")


if __name__ == "__main__":
    main()
