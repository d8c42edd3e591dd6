"""How much outside data a stage reads now: names and sizes, nothing is read."""

from pathlib import Path

from lading.config.pipeline import Pipeline, Stage
from lading.plan.resolve import OUTSIDE
from lading.retrain.triggers import Volume
from lading.store.opening import open_store


def volumes(pipeline: Pipeline) -> dict[str, Volume]:
    """Stage to what its outside data holds; stages without any, or whose data is not there, are left out."""
    found = {stage.name: volume_of(pipeline, stage) for stage in pipeline.stages.values()}
    return {stage: volume for stage, volume in found.items() if volume is not None}


def volume_of(pipeline: Pipeline, stage: Stage) -> Volume | None:
    """What a stage's outside data holds: a file, a folder without hidden files, or the objects below s3://bucket/prefix.

    Raises:
        StoreError: it lies in a bucket that can't be listed.
    """
    uris = [uri for field in OUTSIDE.get(stage.kind, ()) if (uri := getattr(stage.settings, field, None))]
    sizes = [size for uri in uris for size in _sizes(str(uri), Path(pipeline.folder or "."))]
    return Volume(files=len(sizes), bytes=sum(sizes)) if sizes else None


def _sizes(uri: str, folder: Path) -> list[int]:
    if "://" in uri and not uri.startswith("file://"):
        return [stat.size for stat in open_store(uri).list("")]
    path = folder / Path(uri.removeprefix("file://")).expanduser()
    if path.is_file():
        return [path.stat().st_size]
    files = (file for file in path.rglob("*") if file.is_file())
    return [file.stat().st_size for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
