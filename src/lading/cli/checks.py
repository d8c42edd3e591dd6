"""What doctor looks at: one small function a concern, each gives findings and never raises."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from lading.errors import LadingError, StoreDeniedError
from lading.names import work_place
from lading.report.words import size
from lading.store.base import Store

LIBRARIES: dict[str, tuple[str, str, str]] = {
    "torch": ("2.13", "should", "data, train, evaluate, export and all that follow"),
    "numpy": ("2", "should", "data and all that follow"),
    "safetensors": ("0.5", "should", "weights between stages"),
    "lightning": ("2.6.6", "should", "train"),
    "scikit-learn": ("1.6", "should", "evaluate, calibrate"),
    "scipy": ("1.14", "should", "calibrate"),
    "onnx": ("1.18", "should", "export, check"),
    "onnxscript": ("0.5", "should", "export"),
    "onnxruntime": ("1.22", "should", "check"),
    "coremltools": ("9.0", "should", "convert, verify"),
    "pandas": ("2.2", "nice", "to_frame"),
    "kubernetes": ("31", "nice", "runs in a cluster"),
}
"""Distribution to the lowest version, how much it matters, and which stages need it."""
LOW_DISK, LITTLE_DISK = 1 << 30, 10 << 30


class Found(NamedTuple):
    """One thing that was looked at."""

    level: Literal["must", "should", "nice"]
    name: str
    ok: bool
    told: str
    do: str = ""


def examine(store: Store) -> list[Found]:
    """Everything, what matters most first."""
    return [python(), *libraries(), disk(store), accelerator(), macos(), *reach(store)]


def python() -> Found:
    """The interpreter."""
    good = sys.version_info >= (3, 11)
    return Found(
        "must", "python", good, f"{platform.python_version()} on {platform.system()} {platform.machine()}", "lading needs Python 3.11"
    )


def libraries() -> list[Found]:
    """Versions, read from the installation's own records: nothing is imported."""
    found = []
    for name, (lowest, level, use) in LIBRARIES.items():
        assert level in {"should", "nice"}
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(
                Found("nice" if level == "nice" else "should", name, False, f"not installed; for {use}", f"pip install '{name}>={lowest}'")
            )
            continue
        good = _numbers(version) >= _numbers(lowest)
        told = version if good else f"{version}, and {use} need {lowest} or newer"
        found.append(Found("nice" if level == "nice" else "should", name, good, told, f"pip install '{name}>={lowest}'"))
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def disk(store: Store) -> Found:
    """Space where stages work, and where a folder store lies."""
    places = [work_place(os.environ), *([Path(store.uri)] if "://" not in store.uri else [])]
    there = [next(one for one in (place, *place.absolute().parents) if one.exists()) for place in places]
    free = {place: shutil.disk_usage(place).free for place in there}
    least = min(free, key=lambda place: free[place])
    told = ", ".join(f"{size(count)} free at {place}" for place, count in free.items())
    level: Literal["must", "should"] = "must" if free[least] < LOW_DISK else "should"
    return Found(level, "disk", free[least] >= LITTLE_DISK, told, f"make room at {least}: lading gc --older-than 30d")


def accelerator() -> Found:
    """An NVIDIA GPU, as its driver's own tool sees it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Found("nice", "cuda", False, "no NVIDIA driver; training runs on the CPU")
    try:
        asked = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return Found("nice", "cuda", False, "nvidia-smi does not answer", "look at the driver")
    names = asked.stdout.strip().splitlines()
    return Found("nice", "cuda", asked.returncode == 0 and bool(names), "; ".join(names) or "the driver sees no GPU")


def macos() -> Found:
    """Only macOS can predict with a Core ML model."""
    here = platform.system() == "Darwin"
    return Found(
        "nice", "macos", here, platform.mac_ver()[0] if here else "not macOS: Core ML packages are checked by replay, not by predicting"
    )


def reach(store: Store) -> list[Found]:
    """Whether the store answers, and keeps write-if-absent."""
    from lading.store.opening import ensure_honest

    try:
        next(iter(store.list("probe")), None)
        ensure_honest(store)
    except StoreDeniedError as error:
        return [Found("must", "store", False, error.message, error.do or "give this identity the right to read and write")]
    except LadingError as error:
        return [Found("must", "store", False, error.message, error.do)]
    return [Found("must", "store", True, f"{store.uri} answers, and of several writers exactly one wins")]
