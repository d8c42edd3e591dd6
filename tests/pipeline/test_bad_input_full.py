"""Disks that are full, as a user meets them: a real file system of two MiB, where this machine lets us mount one."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LARGE = "import os; open(os.environ['LADING_OUTPUT'] + '/x', 'wb').write(os.urandom(6 << 20))"


def call(*line: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from lading.cli.app import main; main()", *line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of two MiB, and a pipeline whose one artifact has six."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADING_STORE", raising=False)
    Path("p.yaml").write_text(f"pipeline: p\nstages:\n  a: {{kind: script, settings: {{command: [python, -c, {LARGE!r}]}}}}\n")
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_artifact_for_which_the_store_has_no_space(small: Path) -> None:
    """One attempt, not five; the disk, what makes room, and that the command goes on; with room made, it does."""
    ended = call("run", "p.yaml", "--store", "small/store")

    assert ended.returncode == 1
    assert f"no space is left in {small}/store to write attempts/script/" in ended.stdout
    assert f"df -h {small}/store; `lading gc --store {small}/store` removes what nothing needs any more" in ended.stdout
    assert "make room, then run the pipeline again" in ended.stdout
    assert "attempt 2" not in ended.stdout
    assert [one.parent.name for one in small.glob("store/attempts/script/*/*/claim.json")] == ["1"]

    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    assert call("run", "p.yaml", "--store", "small/store").returncode == 0


def test_a_store_that_is_full_to_the_last_byte(small: Path) -> None:
    """Not even the run's plan fits: exit code 4, the disk and what to do."""
    with contextlib.suppress(OSError):
        (small / "ballast").write_bytes(bytes(8 << 20))
    ended = call("run", "p.yaml", "--store", "small/store")

    assert ended.returncode == 4
    assert f"no space is left in {small}/store" in ended.stderr
    assert f"df -h {small}/store" in ended.stderr


def test_a_disk_that_is_full_where_the_stage_works(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage's process can't even say so: its supervisor looks, names the folder, and says what to set."""
    monkeypatch.setenv("LADING_WORK", str(small / "work"))
    ended = call("run", "p.yaml")

    assert ended.returncode == 1
    assert f"no space is left on the disk where the stage works ({small}/work" in ended.stdout
    assert "free some, or set LADING_WORK to a folder on a larger disk" in ended.stdout
    assert "attempt 2" not in ended.stdout
