"""The key of a stage: a hash that names its result before it exists. Pure: no disk, no clock, no environment."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from lading.canonical import sha256_of
from lading.config.pipeline import Stage
from lading.frozen import Frozen


def key_of(kind: str, settings: Mapping[str, Any], fingerprint: str, inputs: Mapping[str, str], outside: Mapping[str, str]) -> str:
    """sha256 over the canonical JSON of everything that can change the result.

    Args:
        kind: of the stage.
        settings: those that can change the result, see `semantic`.
        fingerprint: of the code and the libraries.
        inputs: role to the digest of the need's result.
        outside: name to digest of what comes from outside of the store: data, an image.
    """
    return sha256_of(
        {"kind": kind, "settings": dict(settings), "fingerprint": fingerprint, "inputs": dict(inputs), "outside": dict(outside)}
    )


class Ingredients(Frozen):
    """What a key is made of, kept in plan.json so that the next plan can say what changed."""

    kind: str
    settings: dict[str, Any]
    fingerprint: str
    code: str = ""
    """Digest of lading's own sources alone: a part of the fingerprint, for the reason why."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Versions: the other part of the fingerprint."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Role to result; those that are known yet."""
    outside: dict[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key; meaningful once all inputs are known."""
        return key_of(self.kind, self.settings, self.fingerprint, self.inputs, self.outside)


def semantic(stage: Stage) -> dict[str, Any]:
    """The settings that can change the result: all but those that only say where outside data lies, or are marked `in_key: False`."""
    fields = type(stage.settings).model_fields
    data = stage.settings.to_data()
    return {name: _nameless(value) for name, value in data.items() if name not in stage.outside and _in_key(fields.get(name))}


def _in_key(field: Any) -> bool:
    extra = getattr(field, "json_schema_extra", None)
    return not (isinstance(extra, dict) and extra.get("in_key") is False)


def _nameless(value: Any) -> Any:
    """Files of the user whose path leads out of the pipeline's folder lie under their bare name in the stage: only that counts."""
    if isinstance(value, dict):
        if set(value) == {"path", "sha256"}:
            path = str(value["path"])
            outside = path.startswith("/") or ".." in path.split("/")
            return {**value, "path": path.rsplit("/", 1)[-1] if outside else path.removeprefix("./")}
        return {name: _nameless(item) for name, item in value.items()}
    return [_nameless(item) for item in value] if isinstance(value, list) else value


def outside_of(stage: Stage) -> dict[str, str]:
    """Digests of what comes from outside of the store: data, and an image of the user's own that is named by digest."""
    image = stage.resources.image or ""
    _, at, digest = image.partition("@sha256:")
    return {**stage.outside, **({"image": f"sha256:{digest}"} if at else {})}
