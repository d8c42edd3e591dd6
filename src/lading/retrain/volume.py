"""How much outside data a stage reads now: names and sizes, nothing is read."""

from pathlib import Path

from lading.config.pipeline import Pipeline, Stage
from lading.plan.outside import OUTSIDE, sizes
from lading.retrain.triggers import Volume


def volumes(pipeline: Pipeline) -> dict[str, Volume]:
    """Stage to what its outside data holds; stages without any, or whose data is not there, are left out."""
    found = {stage.name: volume_of(pipeline, stage) for stage in pipeline.stages.values()}
    return {stage: volume for stage, volume in found.items() if volume is not None}


def volume_of(pipeline: Pipeline, stage: Stage) -> Volume | None:
    """What a stage's outside data holds: a file, a folder without hidden files, or the objects at an address.

    Raises:
        StoreError: it lies in a bucket that can't be listed.
    """
    uris = [uri for field in OUTSIDE.get(stage.kind, ()) if (uri := getattr(stage.settings, field, None))]
    found = [size for uri in uris for size in sizes(str(uri), Path(pipeline.folder or "."))]
    return Volume(files=len(found), bytes=sum(found)) if found else None
