"""What the machine says: memory in use, kills for memory, hardware, library versions, the commit of what runs."""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lading import names
from lading.stages.guard import children

_CGROUPS = Path("/sys/fs/cgroup")


def oom_kills() -> int:
    """How many processes of this cgroup were killed for memory; 0 where it can't be known."""
    try:
        line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::") or ":memory:" in line)
    except (OSError, StopIteration):
        return 0
    own = line.rpartition(":")[2].lstrip("/")
    places = [_CGROUPS / own / "memory.events", _CGROUPS / "memory.events"]
    places += [_CGROUPS / "memory" / own / "memory.oom_control", _CGROUPS / "memory" / "memory.oom_control"]
    for place in places:
        try:
            words = place.read_text().split()
        except OSError:
            continue
        if "oom_kill" in words:
            return int(words[words.index("oom_kill") + 1])
    return 0


def memory_of(pids: Iterable[int]) -> int:
    """Bytes in memory of processes and all below them, now; 0 where it can't be known. Shared pages count in each."""
    total, todo, seen = 0, list(pids), set[int]()
    page = os.sysconf("SC_PAGE_SIZE")
    while todo:
        pid = todo.pop()
        if pid in seen:
            continue
        seen.add(pid)
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
        except (OSError, IndexError, ValueError):
            continue
        todo += children(pid)
    return total


def hardware() -> dict[str, Any]:
    """What this machine is, for provenance."""
    facts: dict[str, Any] = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()}
    facts["cores"] = os.cpu_count()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts["cpu"] = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        facts["cpu"] = platform.processor() or "unknown"
    facts["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return facts


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of distributions that are installed, and of lading."""
    found = {}
    for name in ("lading", *libraries):
        try:
            found[name] = _version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def _version(name: str) -> str:
    """Read from disk once: what is imported does not change either."""
    return version(name)


def git_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The commit that a folder's repository has checked out, or LADING_GIT_COMMIT; None where neither says."""
    if given := environ.get(names.ENV_GIT_COMMIT):
        return given
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_file():  # a worktree
                git = (parent / git.read_text().partition("gitdir:")[2].strip()).resolve()
            head = (git / "HEAD").read_text().strip()
            if not head.startswith("ref:"):
                return head
            ref, common = head.partition(":")[2].strip(), git
            if (git / "commondir").is_file():
                common = (git / (git / "commondir").read_text().strip()).resolve()
            if (common / ref).is_file():
                return (common / ref).read_text().strip()
            packed = (common / "packed-refs").read_text().splitlines()
            return next((line.split()[0] for line in packed if line.endswith(" " + ref)), None)
        except OSError:
            continue
    return None


def now() -> str:
    """ISO-8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def keep_private() -> None:
    """Lets no other process of this user read this one's environment and memory (Linux)."""
    if sys.platform == "linux":
        from lading.stages.guard import prctl

        prctl(4, 0)  # PR_SET_DUMPABLE
