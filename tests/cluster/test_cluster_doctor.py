"""lading doctor --backend kubernetes: every image is tried, and what could not be looked at is said."""

import os
from pathlib import Path
from typing import Any

from lading.backends.kubernetes.launcher import RULES
from support.kube import Kube, allow, identity, sh

ONE = {"one": sh("true")}


def checks(kube: Kube, file: Path, *, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The findings, by name."""
    line = ("doctor", "--backend", "kubernetes", "--pipeline", file, "--store", kube.uri, "--json")
    return {one["name"]: one for one in kube.lading(*line, code=code, env=env).json()["checks"]}


def test_every_image_is_tried(kube: Kube) -> None:
    """The launcher's and those of stages: one is not there, in one there is no lading, of one a Secret is missing; no Job stays."""
    absent = "localhost:1/mine:absent"
    stages = {"one": sh("true"), "two": sh("true", image=absent)}
    found = checks(kube, kube.pipeline(stages), code=1)
    assert found["image launch, train"]["ok"], found
    assert kube.images["launch"] in found["image launch, train"]["told"]
    assert found["store, from a pod"]["ok"], found
    assert (found["image stage two"]["level"], found["image stage two"]["ok"]) == ("must", False)
    assert f"the image {absent} can't be pulled" in found["image stage two"]["told"]
    assert not kube.jobs("doctor")

    own = os.environ.get("BASE_IMAGE") or "python:3.11-slim-bookworm"
    found = checks(kube, kube.pipeline({"one": sh("true", image=own)}), code=1)
    assert "lading does not run in it: ModuleNotFoundError: No module named 'lading'" in found["image stage one"]["told"], found

    found = checks(
        kube,
        kube.pipeline(ONE, stages={"one": {"env_from_secrets": ["absent"]}}, images={**kube.images, "train": kube.images["launch"]}),
        code=1,
    )
    assert 'secret "absent" not found' in found["image launch, train"]["told"]


def test_what_could_not_be_looked_at_is_said(kube: Kube, tmp_path: Path) -> None:
    """Whoever may not list quotas is told so, and by which verb; what else must be is there, so the doctor is content."""
    env = identity(kube, tmp_path)
    allow(kube, RULES)
    found = checks(kube, kube.pipeline(ONE), env=env)
    assert (found["quota"]["ok"], found["permissions"]["ok"]) == (False, True)
    assert "could not be looked at: this identity may not list resourcequotas" in found["quota"]["told"]
    assert "verbs: [list] on resources: [resourcequotas]" in found["quota"]["do"]
    assert checks(kube, kube.pipeline(ONE))["quota"]["ok"]
