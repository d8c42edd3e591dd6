"""A script stage: any command that reads $LADING_INPUTS/<need>/ and writes $LADING_OUTPUT."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import IO

from lading import names
from lading.codes import signal_name
from lading.config.settings.script import ScriptSettings
from lading.errors import LadingError, WrongInputError
from lading.stages.context import StageContext

MEASUREMENTS = "measurements.json"
_FREE = {names.WORK_OUTPUT, names.WORK_SCRATCH, names.WORK_CHECKPOINTS}
"""Folders of an attempt in which a command is free to write; $TMPDIR is the second."""
TAIL_LINES, TAIL_BYTES = 20, 4096
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')


class CommandFailedError(LadingError):
    """The user's command ended badly."""

    where: str = ""
    """The last frame of its traceback that is in the user's own files."""


def run(context: StageContext[ScriptSettings]) -> None:
    """Runs the command in the folder of its files; what it writes to $LADING_OUTPUT is the result."""
    work = context.output.parent
    before = _snapshot(work)
    code, tail = _execute(context)
    if code != 0:
        ended = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        said = f"; the last it said:\n{tail}" if tail else ""
        error = CommandFailedError(f"the command {' '.join(context.settings.command)[:200]!r} {ended}{said}")
        error.where = _frame(tail, context.files)
        raise error
    for sentence in _strays(before, _snapshot(work)):
        context.warn(sentence)
    place = context.output / MEASUREMENTS
    if place.is_file() and not place.is_symlink():
        context.measure(**_measurements(place))
        context.file(MEASUREMENTS, handed_on=False)


def _execute(context: StageContext[ScriptSettings]) -> tuple[int, str]:
    """Exit code, and the tail of stderr, which is passed on meanwhile."""
    settings = context.settings
    env = dict(os.environ) | settings.env
    env |= {names.ENV_INPUTS: str(context.output.parent / names.WORK_INPUTS), names.ENV_OUTPUT: str(context.output)}
    program = shutil.which(settings.command[0], path=env.get("PATH")) or _local(context.files, settings.command[0])
    if program is None:
        raise WrongInputError(
            f"the command {settings.command[0]!r} is not there",
            do="name a program that the image (or this machine) has, or list it under files:",
        )
    try:
        process = subprocess.Popen(
            [program, *settings.command[1:]], cwd=context.files, env=env, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise WrongInputError(f"the command {settings.command[0]!r} can't be started: {error.strerror}") from None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return

    signal.signal(signal.SIGTERM, pass_on)
    tail = bytearray()
    reader = threading.Thread(target=_pass_on, args=(process.stderr, tail), daemon=True)
    reader.start()
    code = process.wait()
    reader.join(timeout=1)  # something that the command left running may hold stderr open
    return code, "\n".join(tail.decode(errors="replace").splitlines()[-TAIL_LINES:])


def _pass_on(source: IO[bytes] | None, tail: bytearray) -> None:
    """Shows what comes, and remembers the end of it."""
    assert source is not None
    while data := os.read(source.fileno(), 1 << 16):
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
        tail += data
        del tail[:-TAIL_BYTES]


def _local(folder: Path, program: str) -> str | None:
    """A program among the stage's own files."""
    place = folder / program
    if not place.is_file():
        return None
    place.chmod(0o755)
    return str(place)


def _frame(tail: str, folder: Path) -> str:
    """The last frame in the user's files of the traceback that a Python command left: `count.py:12 in main`."""
    own = [frame for frame in _FRAME.finditer(tail) if str(folder) in frame["file"]]
    return f"{Path(own[-1]['file']).name}:{own[-1]['line']} in {own[-1]['function'].strip()}" if own else ""


def _snapshot(work: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file of an attempt's folder, but for where the command may write and Python's own caches."""
    found = {}
    for folder, folders, files in os.walk(work):
        inside = Path(folder).relative_to(work).as_posix()
        folders[:] = [name for name in folders if name != "__pycache__" and (inside != "." or name not in _FREE)]
        for name in files:
            with contextlib.suppress(OSError):
                status = Path(folder, name).lstat()
                found[name if inside == "." else f"{inside}/{name}"] = (status.st_size, status.st_mtime_ns)
    return found


def _strays(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> list[str]:
    """A sentence for each place in the attempt's folder where a command left what nobody will find, or changed what it was given."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    belongs = f"results belong in ${names.ENV_OUTPUT}"
    told = {
        f"{names.WORK_FILES}/": f"wrote {{}} into its working folder, which is thrown away; {belongs}",
        f"{names.WORK_INPUTS}/": f"changed {{}} in ${names.ENV_INPUTS}: a copy for this stage alone, which is thrown away; {belongs}",
        "": f"wrote {{}} beside ${names.ENV_OUTPUT}, where it is thrown away; {belongs}",
    }
    found: dict[str, list[str]] = {place: [] for place in told}
    for name in changed:
        place = next(place for place in told if name.startswith(place))
        found[place].append(name.removeprefix(place))
    return [
        f"the command {told[place].format(', '.join(strays[:5]) + (', ...' if len(strays) > 5 else ''))}"
        for place, strays in found.items()
        if strays
    ]


def _measurements(place: Path) -> dict[str, float]:
    """The numbers that the command measured.

    Raises:
        LadingError: the file is no JSON object of numbers.
    """
    help_ = f'write ${names.ENV_OUTPUT}/{MEASUREMENTS} as {{"accuracy": 0.97}}'
    try:
        value = json.loads(place.read_bytes()[: 1 << 20])
    except ValueError as error:
        raise LadingError(f"{MEASUREMENTS} is no JSON: {error}", do=help_) from None
    if not isinstance(value, dict):
        raise LadingError(f"{MEASUREMENTS} holds a {type(value).__name__}, and an object of names and numbers is expected", do=help_)
    for name, number in value.items():
        if number is None:
            value[name] = math.nan
        elif isinstance(number, bool) or not isinstance(number, int | float):
            raise LadingError(f"{MEASUREMENTS}: {name} is {json.dumps(number)[:60]}, and a number is expected", do=help_)
    return value
