"""Where the store is: what the user said, in the order in which it counts."""

from collections.abc import Mapping
from pathlib import Path

from lading.config.pipeline import Pipeline
from lading.names import ENV_STORE

DEFAULT = ".lading"


def store_uri(pipeline: Pipeline | None, option: str | None, environ: Mapping[str, str]) -> str:
    """--store, then LADING_STORE, then the pipeline's `store:`, then `.lading`; a folder is made absolute from where the command runs.

    A pipeline's relative `store:` also starts at the working folder, not at the file: commands without a pipeline
    (`lading status`) then find the same store.
    """
    uri = option or environ.get(ENV_STORE) or (pipeline.store if pipeline else None) or DEFAULT
    return uri if "://" in uri else str(Path(uri).expanduser().absolute())
