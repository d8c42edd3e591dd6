"""A model of the user's own in a stage that makes one: where its files lie, and what is handed on with its weights."""

from typing import Any

from torch import nn

from lading.config.settings.models import FileModel
from lading.ml.models import save_model
from lading.ml.models.userfile import Source, handed_on
from lading.ml.spec import ModelSpec
from lading.stages.context import StageContext


def source_of(context: StageContext[Any]) -> Source | None:
    """The files of the stage's model, each as its digest was checked; None for a model of lading's own."""
    model = context.settings.model
    if not isinstance(model, FileModel):
        return None
    return Source(model.file.name, {file.name: context.user_file(file) for file in (model.file, *model.modules)})


def hand_on(context: StageContext[Any], module: nn.Module, spec: ModelSpec, source: Source | None) -> None:
    """Writes the model, with its files where it is the user's own."""
    save_model(context.output, module.eval(), spec, source=source)
    for name in handed_on(source.place, source.files).values() if source else ():
        context.file(name, media_type="text/x-python")
