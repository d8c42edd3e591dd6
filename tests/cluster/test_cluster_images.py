"""The three images as a registry gives them and as pods run them: who they run as, what they hold and what they must not."""

import json
import os
import urllib.request
from typing import Any

import pytest

from support.images import Images
from support.kube import Kube

NAMES = ("launch", "train", "export")
ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def fetched(reference: str, what: str) -> Any:
    """A document of the registry that a reference names."""
    host, _, path = reference.partition("@")[0].partition("/")
    request = urllib.request.Request(f"http://{host}/v2/{path}/{what}", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def references(launch_image: dict[str, str], image: Images) -> dict[str, str]:
    """All three, by digest."""
    return launch_image | image(*NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_image_says_of_itself(references: dict[str, str], name: str) -> None:
    """A numeric user, labels that say what it is and of which commit, and neither HEALTHCHECK nor entry point: pods name their command."""
    manifest = fetched(references[name], f"manifests/{references[name].partition('@')[2]}")
    config = fetched(references[name], f"blobs/{manifest['config']['digest']}")["config"]
    assert config["User"] == "65532:65532"
    assert not config.get("Healthcheck")
    assert not config.get("Entrypoint")
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (labels["title"], labels["licenses"]) == (f"lading-{name}", "Apache-2.0")
    assert len(labels["revision"]) == 40 or labels["revision"] == "unknown"
    assert labels["base.name"] == os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
    assert labels["lading.sbom"] == "/opt/lading/sbom.cdx.json"


def test_torch_is_one_layer_of_both(references: dict[str, str]) -> None:
    """What a node stores for the images of stages, it stores once."""
    launch, train, export = (
        {layer["digest"] for layer in fetched(references[name], f"manifests/{references[name].partition('@')[2]}")["layers"]}
        for name in NAMES
    )
    assert launch & train < train & export


@pytest.mark.parametrize(("name", "holds", "lacks"), [
    ("launch", {"boto3", "kubernetes"}, {"torch", "numpy", "g++"}),
    ("train", {"torch", "lightning", "g++"}, {"coremltools", "onnx"}),
    ("export", {"torch", "onnxruntime", "coremltools"}, {"lightning", "g++", "gcc"}),
])  # fmt: skip
def test_a_bill_of_materials(references: dict[str, str], image: Images, name: str, holds: set[str], lacks: set[str]) -> None:
    """`make images` wrote what each image holds, distributions by the hash of their lock and Debian's packages."""
    assert references[name]
    document = image.sbom(name)
    parts = {part["name"]: part for part in document["components"]}
    assert holds <= parts.keys()
    assert not lacks & parts.keys()
    assert {"cpython", "libc6"} <= parts.keys()
    assert all(part["purl"].startswith("pkg:") and part["version"] for part in parts.values())
    assert parts["boto3"]["hashes"][0]["alg"] == "SHA-256"


def test_smoke_checks_in_pods(kube: Kube, references: dict[str, str]) -> None:
    """Each image passes its own check as a pod of the restricted standard, with a read-only root and no user named but the image's."""
    closed = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for name, reference in references.items():
        container = {
            "name": "smoke",
            "image": reference,
            "command": ["python", "/opt/lading/smoke.py", name],
            "securityContext": closed,
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        }
        kube.core.create_namespaced_pod(kube.namespace, {"metadata": {"name": name}, "spec": spec})

    def phase(name: str) -> str:
        return str(kube.core.read_namespaced_pod_status(name, kube.namespace).status.phase)

    for name in references:
        ended = kube.wait(f"the end of {name}'s check", lambda name=name: {"Succeeded", "Failed"} & {phase(name)}, within_s=240)
        said = kube.core.read_namespaced_pod_log(name, kube.namespace)
        assert ended == {"Succeeded"}, said
