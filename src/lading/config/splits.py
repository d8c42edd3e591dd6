"""Refuses a stage that reads a part of the data of which its data stage keeps nothing: said before anything runs."""

from collections.abc import Mapping

from lading.config.pipeline import Stage
from lading.config.problems import Problems


def check_splits(stages: Mapping[str, Stage | None], problems: Problems) -> None:
    """Notes each stage whose split is empty by the settings of its data stage; of a pinned result nobody knows that here."""
    for name, stage in stages.items():
        data = stages.get(stage.needs.get("data", "")) if stage and not stage.from_ else None
        if stage is None or data is None or data.kind != "data" or data.from_:
            continue
        split = _read(stage)
        if split and data.settings.to_data()["split"].get(split) == 0:
            path = ("stages", name, "settings") if stage.kind == "train" else ("stages", name, "settings", "split")
            sentence = f"split {split} is empty, for stage {data.name} keeps nothing of the data for it"
            problems.add(path, f"{sentence}; give it a share there, as settings: {{split: {{{split}: 0.1}}}}")


def _read(stage: Stage) -> str | None:
    """The part of the data that a stage reads beside what it trains on."""
    if stage.kind == "train":
        return "validation"
    return getattr(stage.settings, "split", None) if getattr(stage.settings, "samples", 1) else None
