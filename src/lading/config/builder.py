"""Builds a pipeline in Python, through the very loader that reads files: the same checks, the same messages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lading.config.loader import from_data
from lading.config.pipeline import Pipeline


class PipelineBuilder:
    """`PipelineBuilder("digits").stage("data").stage("train", needs=["data"], settings={"epochs": 3}).build()`."""

    def __init__(self, name: str, *, store: str | None = None, folder: Path | str = ".", **defaults: Any) -> None:
        """Begins a pipeline.

        Args:
            name: of the pipeline.
            store: where bytes live, unless the caller says otherwise.
            folder: where the relative paths of user files start.
            defaults: resources of every stage: `cpu=2, memory="4Gi"`.
        """
        self._folder = folder
        self._data: dict[str, Any] = {"pipeline": name, "defaults": defaults, "stages": {}}
        if store:
            self._data["store"] = store

    def stage(
        self,
        name: str,
        *,
        kind: str | None = None,
        needs: Sequence[str] | Mapping[str, str] = (),
        settings: Mapping[str, Any] | None = None,
        gates: Mapping[str, str | Mapping[str, str]] | None = None,
        pinned: str | None = None,
        **resources: Any,
    ) -> Self:
        """Adds a stage.

        Args:
            name: of the stage.
            kind: default: the name.
            needs: stages, or role to stage.
            settings: what can change the result.
            gates: measurement to bound.
            pinned: `<kind>/<key>` of a result that exists (`from:` in a file).
            resources: `cpu=2, nodes=2, ...`.
        """
        if name in self._data["stages"]:
            raise ValueError(f"there is a stage {name!r} already")
        written = {"kind": kind, "settings": settings, "gates": gates, "from": pinned, **resources}
        body = {key: dict(value) if isinstance(value, Mapping) else value for key, value in written.items() if value is not None}
        self._data["stages"][name] = {**body, "needs": dict(needs) if isinstance(needs, Mapping) else list(needs)}
        return self

    def build(self) -> Pipeline:
        """The pipeline.

        Raises:
            ConfigError: everything that is wrong with it.
        """
        return from_data(self._data, folder=self._folder, source=f"pipeline {self._data['pipeline']}")
