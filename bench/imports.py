"""What starting costs: importing the parts that every command and every stage imports, against an empty Python."""

import subprocess
import sys

from bench.lading_cli import compiled
from bench.row import Row, seconds

ROUNDS = 7
PARTS = {
    "store, folder": ("from lading.store.opening import open_store; open_store('/tmp')", 0.35),
    "store, S3": ("from lading.store.opening import open_store; open_store('s3://bucket')", 0.7),
    "the stage's supervisor": ("import lading.stages.supervisor", 0.5),
    "the command line": ("import lading.cli.app", 0.5),
    "planning": ("import lading.plan.build, lading.config.loader", 0.4),
}


def run() -> list[Row]:
    """Each in a fresh interpreter, taken in turns with an empty one; the bound is on what is above the empty one."""
    programs = {"": "pass"} | {name: program for name, (program, _) in PARTS.items()}
    times: dict[str, list[float]] = {name: [] for name in programs}
    broken = {name for name, program in programs.items() if _start(program, check=False)}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            if name not in broken:
                times[name].append(seconds(lambda program=program: _start(program)))
    floor = min(times[""])
    return [
        Row(f"import {name}", bound, tuple(time - floor for time in times[name]), left_out="does not import here" if name in broken else "")
        for name, (_, bound) in PARTS.items()
    ]


def _start(program: str, *, check: bool = True) -> int:
    return subprocess.run([sys.executable, "-c", program], check=check, capture_output=True, env=compiled()).returncode
