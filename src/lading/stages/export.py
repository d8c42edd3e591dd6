"""Export: the model in every format that was asked for, and the contract that they share."""

import shutil

from lading.config.settings.export import ExportSettings
from lading.ml import contract as contracts
from lading.ml import formats
from lading.ml.health import check_weights
from lading.ml.models import load_model, model_files
from lading.stages.context import StageContext


def run(context: StageContext[ExportSettings]) -> None:
    """Writes weights, spec, formats and contract; measures their sizes."""
    need, settings = context.need("model"), context.settings
    module, spec = load_model(need.folder)
    check_weights(module)
    for name in model_files(spec):
        shutil.copyfile(need.path(name), context.file(name))
    entries = {"safetensors": contracts.entry(context.output, "safetensors")}
    for i, name in enumerate(settings.formats):
        context.progress(100 * i / len(settings.formats))
        detail = formats.write(name, module, spec, context.output, opset=settings.opset)
        entries[name] = contracts.entry(context.output, name, **detail)
    parameters = sum(value.numel() for value in module.parameters())
    contract = contracts.contract_of(spec, parameters=parameters, formats=entries)
    context.write_json(contracts.CONTRACT, contract.to_data())
    context.measure(parameters=parameters, **{f"bytes_{name}": one.size for name, one in entries.items()})
    context.progress(100)
