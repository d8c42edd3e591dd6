"""What a build must not leave in an image, and how its size is told; and that builders which do not work are not chosen."""

import os
import subprocess
from pathlib import Path

from support.image_tools import IMAGES, load

contents = load("contents")


def put(root: Path, place: str, size: int) -> None:
    """A file of so many bytes."""
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_bytes(b"x" * size)


def test_too_big_names_what_is_big(tmp_path: Path) -> None:
    """Above the limit, the biggest packages and folders are told with their sizes, biggest first; below it nothing is said."""
    put(tmp_path, "usr/lib/python3/site-packages/heavy/a/b.so", 3_000_000)
    put(tmp_path, "usr/share/doc/x/y", 1_000_000)
    put(tmp_path, "proc/kcore", 9_000_000)
    total, (said,) = contents.problems(tmp_path, 500_000, 3)
    assert total == 4_000_000
    assert said.splitlines() == [
        "3.5 MB above its base, where 3 are allowed; the biggest are",
        "      3.0 MB  heavy",
        "      1.0 MB  usr/share",
    ]
    assert contents.problems(tmp_path, 1_000_000, 3) == (4_000_000, [])
    assert contents.problems(tmp_path, 1, 0) == (4_000_000, [])


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    """Hard links are one file's bytes."""
    put(tmp_path, "usr/a", 1000)
    os.link(tmp_path / "usr/a", tmp_path / "usr/b")
    assert contents.problems(tmp_path, 0, 0)[0] == 1000


def test_what_was_left_behind(tmp_path: Path) -> None:
    """Caches of pip and apt, and files in scratch, are named; in the base, which is not ours, nothing is."""
    for place in ("root/.cache/pip/http/1", "var/cache/apt/archives/g++.deb", "scratch/inductor/x"):
        put(tmp_path, place, 1)
    _, wrong = contents.problems(tmp_path, 1, 0)
    assert [one.removeprefix(f"{tmp_path}/").split()[0] for one in wrong] == [
        "root/.cache/pip",
        "var/cache/apt/archives/g++.deb",
        "scratch/inductor",
    ]
    assert contents.problems(tmp_path, 0, 0)[1] == []


def tool(tmp_path: Path, **works: int) -> "subprocess.CompletedProcess[str]":
    """images/tool.sh where these programs alone are there, and end so when they are asked how they are."""
    for name in ("bash", "timeout"):
        (tmp_path / name).symlink_to(subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip())
    for name, code in works.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    return subprocess.run(["bash", IMAGES / "tool.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)


def test_a_tool_that_works_is_chosen(tmp_path: Path) -> None:
    """A docker whose daemon is not there is passed over."""
    assert tool(tmp_path, docker=1, buildah=0).stdout == "buildah\n"


def test_no_tool_at_all(tmp_path: Path) -> None:
    """Without one, the error says what to install or to set."""
    done = tool(tmp_path)
    assert done.returncode == 1
    assert "CONTAINER_TOOL=" in done.stderr
