"""The working folder of one attempt: what lies where, the files of the user in it, and what the stage left as its output."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lading import names
from lading.errors import LadingError, MissingObjectError, UserError, WrongInputError
from lading.manifest.handoff import receive_all
from lading.manifest.model import plain_path
from lading.plan import outside
from lading.plan.job import JobSpec
from lading.plan.userfiles import files_in, require_resolved
from lading.store.base import Store


def make(work: Path, job: JobSpec) -> None:
    """Makes the folder, empty but for job.json."""
    for name in (names.WORK_INPUTS, names.WORK_OUTPUT, names.WORK_SCRATCH, names.WORK_CHECKPOINTS, names.WORK_FILES):
        (work / name).mkdir(parents=True, exist_ok=True)
    (work / names.WORK_JOB).write_bytes(job.to_bytes())


def receive(store: Store, job: JobSpec, work: Path) -> None:
    """Brings all that the stage is given: data, its needs, the files of the user, and beside the inputs the measurements of each need.

    Raises:
        DamagedInputError, WrongInputError, UserError, LadingError: see `fetch_outside`, `receive_all`, `require_resolved` and
            `fetch_user_files`.
    """
    fetch_outside(job, work)
    manifests = receive_all(store, job.kind, job.inputs, work / names.WORK_INPUTS)
    require_resolved(job.stage, job.settings)
    fetch_user_files(store, job.settings, work / names.WORK_FILES)
    found = {role: manifest.measurements for role, manifest in manifests.items()}  # the child reads no manifest
    (work / names.WORK_INPUTS / "measurements.json").write_text(json.dumps(found))


def fetch_outside(job: JobSpec, work: Path) -> None:
    """Data outside of the store: still what the key was made of; what lies at an address is brought here.

    The settings in the stage's own job.json name the copy then, for its process knows neither addresses nor credentials.

    Raises:
        UserError: it is not there, or changed since the plan.
        StoreError: it is out of reach.
    """
    copies = {}
    for field in outside.OUTSIDE.get(job.kind, ()):
        if not (uri := job.settings.get(field)):
            continue
        expected = job.outside.get(field)
        if expected:
            outside.check(str(uri), work, expected)
        if outside.is_remote(str(uri)):
            copies[field] = str(outside.fetch(str(uri), work / names.WORK_OUTSIDE / field))
            if expected:  # nothing of it was overwritten between the look and the last download
                outside.check(str(uri), work, expected)
    if copies:
        (work / names.WORK_JOB).write_bytes(job.but(settings={**job.settings, **copies}).to_bytes())


def fetch_user_files(store: Store, settings: Mapping[str, Any], folder: Path) -> None:
    """Brings the files of the user that the settings name, each checked.

    Raises:
        UserError: a file's name can't be used.
        LadingError: a file is not in the store, or has other bytes than its name promises.
    """
    from lading.config.userfile import UserFile

    for file in files_in(settings):
        path, sha256 = str(file["path"]), file["sha256"]
        try:
            target = folder / plain_path(UserFile(path=path, sha256=sha256).name)
        except ValueError as error:
            raise UserError(f"a file of yours can't be used: {error}", do="rename it") from None
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not any(store.download(names.user_file(sha256), target).sha256 == sha256 for _ in range(2)):
                raise LadingError(
                    f"the file {path} is damaged in the store ({names.user_file(sha256)})",
                    do="run again where the file is (lading run or submit PIPELINE): it is stored anew",
                )
        except MissingObjectError:
            raise WrongInputError(
                f"the file {path} is not in the store as {sha256}", do="run again where the file is: it is stored anew"
            ) from None


def output_files(output: Path) -> dict[str, Path]:
    """Every artifact that the stage left, by name.

    Raises:
        LadingError: one of them is a link, no regular file, or named so that it can't travel.
    """
    found: dict[str, Path] = {}
    folded: dict[str, str] = {}
    todo = [output]
    while todo:
        for entry in sorted(os.scandir(todo.pop()), key=lambda entry: entry.name):
            name = Path(entry.path).relative_to(output).as_posix()
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                raise _refused(name, f"it is a link (to {Path(entry.path).readlink()})", "copy the file instead")
            if stat.S_ISDIR(mode):
                todo.append(Path(entry.path))
                continue
            if not stat.S_ISREG(mode):
                raise _refused(name, "it is no regular file (a pipe, a socket or a device)", "write plain files only")
            try:
                plain_path(name)
            except ValueError as error:
                raise _refused(name, str(error), "rename it") from None
            if (other := folded.setdefault(name.casefold(), name)) != name:
                raise _refused(name, f"on some systems it is the same file as {other}", "rename one of them")
            found[name] = Path(entry.path)
    return dict(sorted(found.items()))


def _refused(name: str, why: str, do: str) -> LadingError:
    return LadingError(f"{name!r} in the stage's output can't be an artifact: {why}", do=do)
