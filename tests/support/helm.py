"""helm and kubectl for tests: the chart rendered, what they print when they refuse, and a namespace of the test's own."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/lading"
FULL = CHART / "ci/full-values.yaml"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
TINY = "pipeline: tiny\nstages:\n  data: {settings: {source: digits}}\n"
BASE = {"pipeline": TINY, "store": {"uri": "s3://bucket/prefix"}}
Object = dict[str, Any]

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="there is no helm here")
needs_cluster = pytest.mark.skipif(
    not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None, reason="KUBECONFIG names no cluster"
)


class RefusedError(Exception):
    """A program's non-zero end; its text is what it printed on stderr."""


def sh(*line: str, stdin: str | None = None, timeout: float = 60) -> str:
    """What a program prints.

    Raises:
        RefusedError: it ended with another code than 0.
    """
    done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RefusedError(done.stderr.strip())
    return done.stdout


def template(values: Object | Path, *more: str, release: str = "digits-1", namespace: str = "ml") -> list[Object]:
    """The chart's objects."""
    text = values.read_text() if isinstance(values, Path) else yaml.safe_dump(values)
    line = ("helm", "template", release, str(CHART), "--kube-version", "1.33.0", "--namespace", namespace, "--values", "-", *more)
    return [found for found in yaml.safe_load_all(sh(*line, stdin=text)) if found]


@cache
def base() -> list[Object]:
    """The least that is needed, rendered."""
    return template(BASE)


@cache
def full() -> list[Object]:
    """Everything at once, rendered."""
    return template(FULL)


def overrides(command: list[str]) -> list[str]:
    """What a command is told by --set."""
    return [word for before, word in pairwise(command) if before == "--set"]


def one(objects: list[Object], kind: str, suffix: str = "") -> Object:
    """The only object of a kind whose name ends so."""
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, [each["metadata"]["name"] for each in objects if each["kind"] == kind]
    return found[0]


def launcher(objects: list[Object]) -> Object:
    """The launcher Job."""
    return one([each for each in objects if each["metadata"]["labels"].get("app.kubernetes.io/component") == "launcher"], "Job")


def pods(objects: list[Object]) -> dict[str, Object]:
    """Every pod template's spec, by kind and name."""
    found = {}
    for each in objects:
        spec = each.get("spec") or {}
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        spec = spec.get("template", {}).get("spec", spec)
        if "containers" in spec:
            found[f"{each['kind']}/{each['metadata']['name']}"] = spec
    return found


@contextmanager
def namespace() -> Iterator[str]:
    """A namespace that admits restricted pods alone; gone afterwards."""
    name = f"lading-test-{secrets.token_hex(4)}"
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": label}}
    sh("kubectl", "create", "-f", "-", stdin=json.dumps(made))
    try:
        yield name
    finally:
        sh("kubectl", "delete", "namespace", name, "--wait=false")


def names(kinds: str, where: str) -> set[str]:
    """`kind/name` of what is in a namespace."""
    return set(sh("kubectl", "get", kinds, "-n", where, "-o", "name").split())
