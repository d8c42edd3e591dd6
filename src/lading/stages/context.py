"""What a stage function is given, and the only way in which it hands anything back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from lading.canonical import finite_or_none
from lading.config.userfile import UserFile
from lading.errors import LadingError
from lading.manifest.model import plain_path

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Need:
    """A result that the stage was given: the artifacts that it hands on, already checked."""

    role: str
    kind: str
    folder: Path
    """Each artifact lies at its own relative path below."""
    measurements: Mapping[str, float | None] = field(default_factory=dict)

    def path(self, artifact: str) -> Path:
        """The file (or the folder, as a package's) of an artifact."""
        return self.folder / artifact


@dataclass(slots=True)
class StageContext(Generic[S]):
    """One stage's work: settings and inputs to read, a folder to write to, and a few words to say about it.

    A stage function is `run(context: StageContext[ItsSettings]) -> None`. It runs in a process of its own that knows no store.
    """

    settings: S
    inputs: Mapping[str, Need]
    """Role to need."""
    output: Path
    """Whatever is written below becomes an artifact, by its relative path."""
    scratch: Path
    checkpoints: Path
    """Training states: a finished one is a folder named by its step (written beside as `<step>.part`, then renamed), which the
    supervisor stores; the one to resume from lies there at the start."""
    threads: int
    """How many threads this process may use; already set for OMP, MKL and torch."""
    progress_file: Path
    files: Path = Path()
    """Files of the user, each below its own name: see `user_file`."""
    _kept: set[str] = field(default_factory=set)
    _media_types: dict[str, str] = field(default_factory=dict)
    _measurements: dict[str, float | None] = field(default_factory=dict)
    _warnings: list[str] = field(default_factory=list)
    _seeds: dict[str, int] = field(default_factory=dict)

    def need(self, role: str) -> Need:
        """A need that the kind's table says is always there."""
        return self.inputs[role]

    def user_file(self, file: UserFile) -> Path:
        """Where a file of the user that the settings name lies; its sha256 was checked."""
        return self.files / file.name

    def file(self, name: str, *, handed_on: bool = True, media_type: str | None = None) -> Path:
        """Where to write an artifact; its folder exists.

        Args:
            name: a plain relative path, the artifact's name.
            handed_on: False for what is only looked at (reports, plots, timings): it changes no key and no next stage sees it.
        """
        path = self.output / plain_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not handed_on:
            self._kept.add(name)
        if media_type:
            self._media_types[name] = media_type
        return path

    def write_json(self, name: str, value: Any, *, handed_on: bool = True) -> None:
        """Writes an artifact as JSON, sorted and indented, the same bytes for the same value."""
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        self.file(name, handed_on=handed_on, media_type="application/json").write_text(text + "\n", encoding="utf-8")

    def measure(self, **numbers: float) -> None:
        """Measurements for gates and reports; NaN and infinities become null and a warning."""
        for name, number in numbers.items():
            try:
                self._measurements[name] = finite_or_none(float(number))
            except (TypeError, ValueError):
                raise LadingError(
                    f"measurement {name} is no number but {type(number).__name__}: {str(number)[:80]!r}",
                    do="measure() takes numbers only; write anything else with write_json(..., handed_on=False)",
                ) from None
            if self._measurements[name] is None:
                self.warn(f"measurement {name} is {number}")

    def warn(self, sentence: str) -> None:
        """Something that a person should read beside the result."""
        self._warnings.append(sentence)

    def seed(self, **seeds: int) -> None:
        """The seeds that were used, for the record."""
        self._seeds.update(seeds)

    def progress(
        self, percent: float, *, step: int | None = None, metrics: Mapping[str, float] | None = None, eta_s: float | None = None
    ) -> None:
        """How far it is (0 to 100); cheap, call it as often as you like. The supervisor passes it on with its next heartbeat."""
        value = {"percent": percent, "step": step, "metrics": {k: finite_or_none(v) for k, v in (metrics or {}).items()}, "eta_s": eta_s}
        part = self.progress_file.with_suffix(".part")
        part.write_text(json.dumps(value))
        part.replace(self.progress_file)

    def result(self) -> dict[str, Any]:
        """What the supervisor reads after the function returned."""
        return {
            "kept": sorted(self._kept),
            "media_types": self._media_types,
            "measurements": self._measurements,
            "warnings": self._warnings,
            "seeds": self._seeds,
        }
