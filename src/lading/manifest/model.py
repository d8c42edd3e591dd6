"""The manifest: what an attempt hands on, and the void record that says why a manifest no longer counts."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lading.canonical import sha256_of
from lading.frozen import Frozen

MAX_BYTES = 8 << 20
"""No manifest is larger; a reader stops there."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MAX_PATH, MAX_SEGMENT = 512, 128
"""Characters of a plain path, and of one part of it."""
SEGMENT_PATTERN = rf"[A-Za-z0-9_][A-Za-z0-9._+ -]{{0,{MAX_SEGMENT - 1}}}"
"""One part of a plain path."""
_SEGMENT = re.compile(rf"{SEGMENT_PATTERN}\Z")


def plain_path(path: str) -> str:
    """The path itself if it stays below its folder on every system.

    Raises:
        ValueError: it is absolute, climbs (`..`), is empty, too long, or uses names that escape somewhere.
    """
    longest = max(map(len, path.split("/")))
    if len(path) > MAX_PATH or longest > MAX_SEGMENT:
        size, most = (len(path), MAX_PATH) if len(path) > MAX_PATH else (longest, MAX_SEGMENT)
        raise ValueError(f"{path[:40]!r}... is no path that every system takes: {size} characters, and {most} are the most")
    if not all(_SEGMENT.match(part) and not part.endswith((" ", ".")) for part in path.split("/")):
        raise ValueError(f"{path[:80]!r} is not a plain relative path (letters, digits, '._+- ', '/' between; no '..')")
    return path


class InputRef(Frozen):
    """A result that another one was made from."""

    kind: str
    key: Sha256
    n: int = Field(ge=1)
    result: Sha256


class Artifact(Frozen):
    """One file that an attempt made."""

    path: str
    """Relative to the attempt's artifacts/."""
    size: int = Field(ge=0, le=1 << 50)
    """Bytes."""
    sha256: Sha256
    media_type: str = "application/octet-stream"
    handed_on: bool = True
    """Whether the next stages see it; reports, plots and timings are kept beside and change no key."""

    _plain = field_validator("path")(plain_path)


class Provenance(Frozen):
    """Where a result comes from; for people, never decisive."""

    code: str = ""
    """The code fingerprint."""
    image: str | None = None
    """The container image as its pod named it; by digest, where the pipeline names it so."""
    git_commit: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    started: str = ""
    """ISO-8601, UTC."""
    finished: str = ""
    seeds: dict[str, int] = Field(default_factory=dict)
    run: str | None = None


class Manifest(Frozen):
    """What an attempt hands on. Written last, once."""

    schema_: Literal["lading/manifest/v1"] = Field("lading/manifest/v1", alias="schema")
    kind: str
    key: Sha256
    attempt: int = Field(ge=1)
    nonce: str
    inputs: dict[str, InputRef] = Field(default_factory=dict)
    artifacts: dict[str, Artifact] = Field(default_factory=dict)
    """Name (a plain path such as `model.onnx` or `model.mlpackage/Manifest.json`) to file."""
    measurements: dict[str, float | None] = Field(default_factory=dict)
    result: Sha256
    provenance: Provenance = Field(default_factory=Provenance)
    warnings: tuple[str, ...] = ()

    def ref(self, n: int) -> InputRef:
        """This result as the next manifest names it; `n` is the number under which it stands."""
        return InputRef(kind=self.kind, key=self.key, n=n, result=self.result)


class Void(Frozen):
    """Says why the manifest before it no longer counts."""

    schema_: Literal["lading/void/v1"] = Field("lading/void/v1", alias="schema")
    kind: str
    key: Sha256
    voids: int = Field(ge=1)
    """The number of the manifest that no longer counts."""
    nonce: str
    reason: str
    run: str | None = None


def result_of(artifacts: dict[str, Artifact]) -> str:
    """The result's digest: sha256 over the canonical JSON of names, sizes and digests of what is handed on."""
    return sha256_of([[name, artifact.size, artifact.sha256] for name, artifact in sorted(artifacts.items()) if artifact.handed_on])
