"""images/build.sh against a docker that notes what it is asked and answers as it is told: what fails a check is not pushed."""

import os
import subprocess
from pathlib import Path

import pytest

from support.image_tools import IMAGES

DOCKER = """#!/bin/bash
echo "$*" >>"$NOTES"
case "$*" in
  build*) while [ $# -gt 0 ]; do [ "$1" != --iidfile ] || echo sha256:built >"$2"; shift; done ;;
  run*smoke.py*) echo '{"ok": false}'; exit "$SMOKE" ;;
  run*" - "*) cat >/dev/null; echo 150000000; exit "$CONTENTS" ;;
  run*sbom*) echo '{"bom-ref": "x"}' ;;
  run*) cat >/dev/null; echo 100000000 ;;
  inspect*) echo "registry.example.com/team/lading-launch@sha256:pushed" ;;
esac
"""


def build(tmp_path: Path, smoke: int = 0, contents: int = 0) -> tuple["subprocess.CompletedProcess[str]", list[str]]:
    """The end of `images/build.sh launch`, and what docker was asked."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    notes = tmp_path / "notes"
    env = {name: value for name, value in os.environ.items() if name not in {"BASE_IMAGE", "BUILD_FLAGS", "PUSH_FLAGS", "LOCK"}}
    env |= {"PATH": f"{docker.parent}:{env['PATH']}", "NOTES": str(notes), "SMOKE": str(smoke), "CONTENTS": str(contents)}
    env |= {"CONTAINER_TOOL": "docker", "REGISTRY": "registry.example.com/team", "TAG": "v1"}
    env |= {"OUT": str(tmp_path / "out"), "SBOM": str(tmp_path / "sbom")}
    done = subprocess.run([IMAGES / "build.sh", "launch"], env=env, capture_output=True, text=True, check=False)
    return done, notes.read_text().splitlines()


def test_what_is_well_is_pushed_and_told_by_digest(tmp_path: Path) -> None:
    """The image that was built is checked by its id, its bill of materials written, and its reference printed and kept."""
    done, asked = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "launch registry.example.com/team/lading-launch@sha256:pushed\n"
    assert "launch: 50 MB above its base" in done.stderr
    assert (tmp_path / "out" / "launch.image").read_text() == "registry.example.com/team/lading-launch@sha256:pushed\n"
    assert (tmp_path / "sbom" / "lading-launch.cdx.json").is_file()
    checks = [line for line in asked if line.startswith("run") and "python:3.11" not in line]
    assert len(checks) == 3
    assert all("sha256:built" in line and "--read-only" in line and "--network none" in line for line in checks)
    assert "push registry.example.com/team/lading-launch:v1" in asked


@pytest.mark.parametrize("wrong", ["smoke", "contents"])
def test_what_fails_a_check_is_not_pushed(tmp_path: Path, wrong: str) -> None:
    """A check that fails ends the build with the name of the image, and nothing reaches the registry."""
    done, asked = build(tmp_path, **{wrong: 1})
    assert done.returncode == 1
    assert "registry.example.com/team/lading-launch:v1 is not pushed" in done.stderr
    assert not [line for line in asked if line.startswith("push")]
    assert not done.stdout
