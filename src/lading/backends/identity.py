"""Which process is meant: a pid alone may be another's by now, and a host name alone another machine's."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def host() -> str:
    """This machine since its last start, and this container's own pids: `name/boot id/pid namespace`."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, space = _said_by("sysctl", "-n", "kern.boottime"), ""
    return f"{platform.node()}/{boot}/{space}"


def started(pid: int) -> str:
    """When a process that is there and has not ended began, as its own system counts it; empty if there is none."""
    if sys.platform != "linux":
        return _said_by("ps", "-o", "lstart=", "-p", str(pid))
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def lives(pid: int, began: str) -> bool:
    """Whether that very process is there and has not ended."""
    return pid > 0 and bool(began) and started(pid) == began


def send(pid: int, began: str, number: int) -> bool:
    """Sends a signal to that very process, never to one that got its pid since; False: it is gone."""
    try:
        if sys.platform == "linux":
            import signal

            descriptor = os.pidfd_open(pid)
            try:
                if lives(pid, began):
                    signal.pidfd_send_signal(descriptor, number)
                    return True
            finally:
                os.close(descriptor)
        elif lives(pid, began):
            os.kill(pid, number)
            return True
    except (ProcessLookupError, OSError):
        return False
    return False


def _said_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
