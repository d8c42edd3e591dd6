"""The data stage: reads a source, splits it without leaks, hands on one npz a split and what they hold."""

from pathlib import Path

from lading.config.settings.data import DataSettings
from lading.errors import WrongInputError
from lading.ml.data import FACTS, write_arrays
from lading.ml.sources import SOURCES, Request
from lading.plan.outside import files
from lading.stages.context import StageContext


def run(context: StageContext[DataSettings]) -> None:
    """Writes `train.npz validation.npz calibration.npz test.npz data.json`; the same settings and data give the same bytes."""
    settings = context.settings
    path = Path(settings.path) if settings.path else None
    if path is not None and not path.exists():
        raise WrongInputError(f"{path} is not there", do="check `path` of the data stage")
    found = files(path) if path is not None else []
    request = Request(
        path=path,
        files=found,
        fractions=settings.split.model_dump(),
        seed=settings.seed,
        lengths=settings.lengths,
        primary_length=settings.primary_length,
    )
    splits, facts = SOURCES[settings.source](request)
    for name, arrays in splits.items():
        write_arrays(context.file(f"{name}.npz", media_type="application/x-npz"), arrays)
    context.write_json(FACTS, facts.to_data())
    if path is not None:  # what the next retraining check compares with
        sizes = [file.stat().st_size for _, file in found]
        context.measure(source_files=len(sizes), source_bytes=sum(sizes))
    context.seed(split=settings.seed)
    context.measure(**{f"{name}_{facts.counts_unit}": count for name, count in facts.counts.items()})
    context.progress(100)
