"""The import stage: safetensors from outside and the model that they belong to, handed on as a train stage would."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lading.config.settings.imported import ImportSettings
from lading.errors import WrongInputError
from lading.ml.facts import DataFacts, describe
from lading.ml.models import build, load_weights
from lading.stages.context import StageContext
from lading.stages.usermodel import hand_on, source_of


def run(context: StageContext[ImportSettings]) -> None:
    """Writes `model.safetensors model.json`; every weight of the model comes from the checkpoint, and none is left over."""
    settings = context.settings
    name, arguments = settings.model.chosen()
    source = source_of(context)
    spec = describe(name, arguments, _facts(settings))
    checkpoint = context.user_file(settings.checkpoint)
    try:
        weights = load_file(str(checkpoint))
    except (SafetensorError, OSError) as error:
        raise WrongInputError(f"{settings.checkpoint.path} is no whole safetensors file: {error}", do="export it again") from error
    if wrong := [key for key, value in weights.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())]:
        raise WrongInputError(f"{settings.checkpoint.path} holds NaN or infinities in {', '.join(wrong[:5])}")
    module = build(spec, source=source)
    load_weights(module, weights, where=settings.checkpoint.path)
    hand_on(context, module, spec, source)
    context.measure(parameters=sum(value.numel() for value in module.parameters()))
    context.progress(100)


def _facts(settings: ImportSettings) -> DataFacts:
    if settings.shape is None:
        return DataFacts(
            source="import",
            task="language-model",
            counts={},
            input="tokens",
            low=0.0,
            high=settings.vocabulary - 1.0,
            lengths=settings.lengths,
            primary_length=settings.primary_length,
        )
    return DataFacts(
        source="import",
        task="classification",
        counts={},
        input="image" if len(settings.shape) == 3 else "features",
        shape=settings.shape,
        low=settings.low,
        high=settings.high,
        classes=settings.classes,
    )
