"""From what a user typed to a store, a run, a stage and its result."""

import difflib
import os
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lading.errors import NotFoundError

if TYPE_CHECKING:
    from lading.config.pipeline import Pipeline
    from lading.store.base import Store


CHOSEN: ContextVar[str] = ContextVar("the address of the store that this command uses", default="")
"""What errors name in the commands of their hints: where they are raised, nobody knows how the store was chosen."""


def uri_for(option: str | None, pipeline: "Pipeline | None" = None) -> str:
    """The address that --store, LADING_STORE, the pipeline or the default names."""
    from lading.config.location import store_uri

    uri = store_uri(pipeline, option, os.environ)
    CHOSEN.set(uri)
    return uri


def store_for(option: str | None, pipeline: "Pipeline | None" = None) -> "Store":
    """The store that --store, LADING_STORE, the pipeline or the default names."""
    from lading.store.opening import open_chosen

    store = open_chosen(pipeline, option, os.environ)
    CHOSEN.set(store.uri)
    return store


def deciding_store_for(option: str | None) -> "Store":
    """The same for a verb that decides something in it; launchers, who probe, are not the only ones.

    Raises:
        StoreError: a probe found that it does not keep write-if-absent.
    """
    from lading.store.opening import refuse_dishonest

    store = store_for(option)
    refuse_dishonest(store)
    return store


def load(file: Path, overrides: Sequence[str] | None = None) -> "Pipeline":
    """The pipeline in a file."""
    from lading.config.loader import load as load_pipeline

    return load_pipeline(file, overrides=tuple(overrides or ()))


def check_stages(pipeline: "Pipeline", *named: str | None) -> None:
    """Refuses names of stages that the pipeline does not have.

    Raises:
        NotFoundError: with the nearest name.
    """
    for name in named:
        if name is not None and name not in pipeline.stages:
            raise NotFoundError(f"the pipeline has no stage {name!r}", do=nearest(name, pipeline.stages))


def nearest(name: str, known: Sequence[str] | Any) -> str:
    """A hint: the nearest of the names that exist, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(names[:30]) or 'none'}"


def find_run(store: "Store", text: str) -> str:
    """The id of the run that `last`, an id or the beginning of one means."""
    from lading.ledger import runs

    return runs.find_run(store, text)


def find_stage(record: dict[str, Any], stage: str) -> dict[str, Any]:
    """One stage of a run's record.

    Raises:
        NotFoundError: with the nearest name.
    """
    stages: dict[str, Any] = record["stages"]
    if stage not in stages:
        raise NotFoundError(f"run {record['run']} has no stage {stage!r}", do=nearest(stage, stages))
    found: dict[str, Any] = stages[stage]
    return found
