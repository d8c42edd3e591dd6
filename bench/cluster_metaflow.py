"""Metaflow's steps as pods of the same cluster: its own image, the same S3 server, the same Secret with its credentials."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import peers
from bench.cluster_place import STORE_SECRET, Place
from bench.row import seconds

DOCKERFILE = Path(__file__).with_name("Dockerfile.metaflow")
STANDARD = "baseline"
"""Metaflow can't say that its pods drop all capabilities, nor their seccomp profile: the restricted standard refuses them."""
ASKED = "cpu=1,memory=256,disk=64"
"""Of a node, for each step; its own default (4 GB of memory, 10 GB of disk) would not fit on a small one."""


def prepare() -> tuple[str, str]:
    """Its image, pushed; or why there is none."""
    if not os.environ.get("CLUSTER_REGISTRY"):
        return "", "no CLUSTER_REGISTRY to push an image with Metaflow to"
    if problem := peers.install():
        return "", problem
    try:
        return _image(), ""
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(said[-3000:], file=sys.stderr)
        return "", f"an image with Metaflow can't be built here ({type(error).__name__})"


def _image() -> str:
    """The version that the environment beside it has, as a tag that changes with all that goes into the image."""
    tool = os.environ.get("CONTAINER_TOOL") or _said(str(DOCKERFILE.parent.parent / "images" / "tool.sh"))
    version = _said(str(peers.home() / "bin" / "python"), "-c", "import importlib.metadata as m; print(m.version('metaflow'))")
    base = os.environ.get("BASE_IMAGE") or "python:3.11-slim-bookworm"
    digest = hashlib.sha256(f"{base}\n{DOCKERFILE.read_text()}".encode()).hexdigest()[:8]
    image = f"{os.environ['CLUSTER_REGISTRY']}/lading-bench-metaflow:{version}-{digest}"
    print("bench: building an image with Metaflow (seconds, or a minute the first time)", file=sys.stderr, flush=True)
    arguments = ("--build-arg", f"BASE_IMAGE={base}", "--build-arg", f"METAFLOW={version}", "--file", str(DOCKERFILE), "--tag", image)
    layers = ("--layers",) if tool == "buildah" else ()
    with tempfile.TemporaryDirectory() as nothing:
        _said(tool, "build", *layers, *shlex.split(os.environ.get("BUILD_FLAGS", "")), *arguments, nothing)
    _said(tool, "push", *shlex.split(os.environ.get("PUSH_FLAGS", "")), image)
    return image


def step_s(where: Path, at: Place, image: str, count: int) -> float:
    """Seconds a step: a flow of so many more steps, less one of two."""
    long, short = peers.metaflow_flow(where.with_name(f"{where.name}-long"), count + 2), peers.metaflow_flow(where, 2)
    return (seconds(lambda: flow(long, at, image)) - seconds(lambda: flow(short, at, image))) / count


def flow(where: Path, at: Place, image: str) -> None:
    """Runs a flow, each step as a pod."""
    settings = {
        "DEFAULT_DATASTORE": "s3",
        "DATASTORE_SYSROOT_S3": f"{at.uri}/metaflow",
        "S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        "KUBERNETES_NAMESPACE": at.namespace,
        "KUBERNETES_SERVICE_ACCOUNT": "default",
        "KUBERNETES_SECRETS": STORE_SECRET,
        "KUBERNETES_CONTAINER_IMAGE": image,
    }
    python = str(peers.home() / "bin" / "python")
    env = {f"METAFLOW_{name}": value for name, value in settings.items()}
    peers.call(where, python, "flow.py", "--no-pylint", "run", "--with", f"kubernetes:{ASKED}", env=env)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
