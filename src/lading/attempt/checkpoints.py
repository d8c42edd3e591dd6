"""Training states in the store: whole when all parts are there; an attempt resumes from the highest whole step of any attempt."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from lading import names
from lading.errors import DamagedInputError, ManifestError, MissingObjectError
from lading.frozen import Frozen
from lading.logs import get_logger
from lading.manifest.checking import collision
from lading.manifest.model import Sha256, plain_path
from lading.manifest.reading import read_document, refuse
from lading.names import AttemptId
from lading.store.base import Digest, Store

KEEP = 2
"""Whole steps that an attempt keeps of its own."""
MAX_PART_BYTES = 8 << 20
log = get_logger()
_PART = re.compile(r"^(\d{1,15})/part-(\d{1,5})-of-(\d{1,5})\.json$")
_STEP = re.compile(r"^([1-9]\d{0,8})/checkpoints/(.*)$")


class PartFile(Frozen):
    """One file of one pod's part."""

    path: Annotated[str, Field(min_length=1)]
    size: int = Field(ge=0)
    sha256: Sha256
    _plain = field_validator("path")(plain_path)


class Part(Frozen):
    """What one pod put into a training state; written after its files, so its being there says that they are."""

    schema_: Literal["lading/checkpoint-part/v1"] = Field("lading/checkpoint-part/v1", alias="schema")
    step: int = Field(ge=0)
    part: int = Field(ge=0)
    parts: int = Field(ge=1)
    files: tuple[PartFile, ...]


@dataclass(frozen=True, slots=True, order=True)
class Whole:
    """A training state of which all parts are there; greater is better to resume from."""

    step: int
    attempt: int
    parts: int


def upload(store: Store, attempt: AttemptId, step: int, folder: Path, *, part: int = 0, parts: int = 1) -> None:
    """Stores one pod's files of a step, then the part that says they are there.

    Args:
        store: where to.
        attempt: one's own.
        step: of the training.
        folder: every file below belongs to this pod's part; links are left out.
        part: which pod this is.
        parts: how many pods there are.
    """
    prefix = f"{attempt.checkpoints}{step}/"
    files = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        name = plain_path(path.relative_to(folder).as_posix())
        digest = store.upload(f"{prefix}{part}/{name}", path)
        files.append(PartFile(path=name, size=digest.size, sha256=digest.sha256))
    document = Part(step=step, part=part, parts=parts, files=tuple(files))
    store.write(f"{prefix}part-{part}-of-{parts}.json", document.to_bytes())


def whole(store: Store, kind: str, key: str) -> list[Whole]:
    """Every whole training state of every attempt at a key, best first; one LIST."""
    prefix = names.attempts(kind, key)
    found = (_STEP.match(stat.key[len(prefix) :]) for stat in store.list(prefix))
    by_attempt: dict[int, list[str]] = {}
    for match in found:
        if match:
            by_attempt.setdefault(int(match[1]), []).append(match[2])
    states = (state for number, places in by_attempt.items() for state in _whole_of(number, places))
    return sorted(states, reverse=True)


def _whole_of(number: int, places: Iterable[str]) -> list[Whole]:
    """The whole steps among what lies below one attempt's checkpoints/."""
    parts: dict[tuple[int, int], set[int]] = {}
    for place in places:
        if match := _PART.match(place):
            parts.setdefault((int(match[1]), int(match[3])), set()).add(int(match[2]))
    return [Whole(step, number, of) for (step, of), there in parts.items() if of and there >= set(range(of))]


def download(store: Store, kind: str, key: str, state: Whole, folder: Path) -> None:
    """Brings all parts of a training state into one folder, every file checked.

    Raises:
        DamagedInputError: a file has other bytes than its part promises, after a second download.
        ManifestError: a part is refused.
    """
    prefix = f"{AttemptId(kind, key, state.attempt).checkpoints}{state.step}/"
    parts = [_read_part(store, prefix, state, part) for part in range(state.parts)]
    if problem := collision([file.path for part in parts for file in part.files]):
        refuse(f"the checkpoint {prefix}", problem)
    for part in parts:
        for file in part.files:
            _download(store, f"{prefix}{part.part}/{file.path}", file, folder)


def restore(store: Store, kind: str, key: str, folder_for: Callable[[Whole], Path]) -> Whole | None:
    """Brings the best training state that is sound; one that is damaged or was just rotated away is passed over with a warning."""
    for state in whole(store, kind, key):
        try:
            download(store, kind, key, state, folder_for(state))
        except (DamagedInputError, ManifestError, MissingObjectError) as error:
            log.warning("checkpoint.passed_over", step=state.step, attempt=state.attempt, problem=error.message)
            continue
        return state
    return None


def _read_part(store: Store, prefix: str, state: Whole, number: int) -> Part:
    place = f"{prefix}part-{number}-of-{state.parts}.json"
    part = read_document(store, place, Part, limit=MAX_PART_BYTES)
    if (part.step, part.part, part.parts) != (state.step, number, state.parts):
        refuse(place, f"it says that it is part {part.part} of {part.parts} of step {part.step}")
    return part


def _download(store: Store, key: str, file: PartFile, folder: Path) -> None:
    for _ in range(2):
        if store.download(key, folder / file.path) == Digest(file.size, file.sha256):
            return
    (folder / file.path).unlink(missing_ok=True)
    raise DamagedInputError(f"{key} in {store.uri} does not have the bytes that its part promises", need="checkpoint", artifact=file.path)


def rotate(store: Store, attempt: AttemptId, *, keep: int = KEEP) -> None:
    """Deletes an attempt's own steps below its newest `keep` whole ones; the parts first, so that none looks whole in between."""
    prefix = attempt.checkpoints
    places = [stat.key[len(prefix) :] for stat in store.list(prefix)]
    steps = sorted({state.step for state in _whole_of(attempt.number, places)}, reverse=True)
    if len(steps) < keep:
        return
    oldest = steps[keep - 1]
    old = [place for place in places if (step := place.partition("/")[0]).isdigit() and int(step) < oldest]
    store.delete([prefix + place for place in sorted(old, key=lambda place: (not _PART.match(place), place))])
