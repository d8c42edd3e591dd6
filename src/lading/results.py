"""What a stage of a run made, for who uses lading as a library: its manifest, its measurements, its artifacts as local files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lading.config.commands import follow_up
from lading.errors import NotFoundError
from lading.ledger.artifacts import ALL, chosen, fetch, fetch_one, full_name
from lading.ledger.manifests import manifest_of
from lading.manifest.model import Artifact, Manifest
from lading.plan import cache
from lading.store.base import Store


@dataclass(frozen=True)
class ArtifactHandle:
    """One artifact of a stage."""

    store: Store
    manifest: Manifest
    name: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.manifest.artifacts[self.name].size

    @property
    def sha256(self) -> str:
        """The digest that the manifest promises."""
        return self.manifest.artifacts[self.name].sha256

    def path(self, destination: Path | str | None = None) -> Path:
        """A local file with the artifact's bytes, checked: at `destination` (or in it, if it is a folder), or in a cache of digests."""
        place = Path(destination).expanduser() if destination else _cache() / self.sha256 / Path(self.name).name
        return fetch_one(self.store, self.manifest, self.name, place / Path(self.name).name if place.is_dir() else place)

    def read(self) -> bytes:
        """The bytes, checked."""
        return self.path().read_bytes()


@dataclass(frozen=True)
class ArtifactFolder:
    """Several artifacts below one name, such as a `model.mlpackage`."""

    store: Store
    manifest: Manifest
    name: str

    @property
    def files(self) -> Mapping[str, Artifact]:
        """Each by its name."""
        return chosen(self.manifest, self.name)

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(artifact.size for artifact in self.files.values())

    def path(self, destination: Path | str | None = None) -> Path:
        """A local folder with all of them, each checked: below `destination`, or in a cache of results."""
        place = Path(destination).expanduser() if destination else _cache() / self.manifest.result
        fetch(self.store, self.manifest, self.name, place)
        return place if self.name == ALL else place / self.name


def _cache() -> Path:
    return cache.folder("artifacts")


class StageResult:
    """One stage of a run: how it ended, and what it made."""

    def __init__(self, store: Store, run: str, name: str, record: Mapping[str, Any]) -> None:
        self._store, self.run, self.name, self.record = store, run, name, record

    @property
    def state(self) -> str:
        """How it ended: hit, succeeded, gate_failed, failed, skipped or cancelled."""
        return str(self.record.get("state", ""))

    @property
    def gates(self) -> list[dict[str, Any]]:
        """Each gate as it was judged."""
        return list(self.record.get("gates") or ())

    @cached_property
    def manifest(self) -> Manifest:
        """What it handed on.

        Raises:
            NotFoundError: it has no result.
        """
        found = manifest_of(self._store, self.record)
        if found is None:
            raise NotFoundError(
                f"{self.name} has no result in run {self.run}: it is {self.state}", do=follow_up(self._store.uri, "status", self.run)
            )
        return found[1]

    @property
    def measurements(self) -> dict[str, float | None]:
        """Name to number."""
        return dict(self.manifest.measurements)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The names of what it made."""
        return tuple(sorted(self.manifest.artifacts))

    def artifact(self, name: str) -> ArtifactHandle | ArtifactFolder:
        """An artifact by its name, or by an unmistakable part of it: `onnx` for `model.onnx`; or a folder of several.

        Raises:
            NotFoundError: none, or several, are meant.
        """
        name = full_name(self.manifest, str(name))
        if name in self.manifest.artifacts:
            return ArtifactHandle(self._store, self.manifest, name)
        chosen(self.manifest, name)
        return ArtifactFolder(self._store, self.manifest, name)

    def __repr__(self) -> str:
        return f"<stage {self.name}: {self.state}>"
