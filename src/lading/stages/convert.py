"""Convert: the model as a Core ML package, made afresh from weights and spec; on a Mac it predicts with it too."""

from pathlib import Path
from typing import Any

import torch

from lading.canonical import sha256_file
from lading.config.settings.convert import ConvertSettings
from lading.ml import coreml, formats, parity
from lading.ml.cases import cases
from lading.ml.contract import read_contract
from lading.ml.health import check_weights
from lading.ml.models import SPEC, WEIGHTS, load_model
from lading.stages.context import StageContext


def run(context: StageContext[ConvertSettings]) -> None:
    """Writes `model.mlpackage` and `convert.json`, which says how it was made and where it was tried."""
    settings, export = context.settings, context.need("export")
    contract = read_contract(export.folder)
    module, spec = load_model(export.folder)
    torch.set_num_threads(context.threads)
    check_weights(module)
    package = context.output / coreml.PACKAGE
    about = {
        "description": settings.description or f"{spec.name} for {spec.task}",
        "lading.task": spec.task,
        "lading.weights_sha256": contract.formats["safetensors"].sha256,
        **({"classes": ",".join(spec.classes)} if spec.classes else {}),
    }
    context.progress(10)
    coreml.convert(
        module,
        spec,
        package,
        precision=settings.precision,
        target=settings.target,
        batch=settings.batch,
        io_dtype=settings.io_dtype,
        about=about,
    )
    context.progress(80)
    files = sorted(path for path in package.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    record: dict[str, Any] = {
        "schema": "lading/convert/v1",
        "package": coreml.PACKAGE,
        "precision": settings.precision,
        "target": settings.target,
        "batch": settings.batch,
        "io_dtype": settings.io_dtype,
        "lengths": list(spec.lengths),
        "primary_length": spec.primary_length,
        "weights": {name: sha256_file(export.path(name)) for name in (WEIGHTS, SPEC)},
        "files": {path.relative_to(context.output).as_posix(): sha256_file(path) for path in files},
        "verified_on": "macos" if coreml.can_predict() else "replay",
    }
    if coreml.can_predict():
        _on_this_mac(context, package, module, spec)
    context.write_json("convert.json", record)
    context.measure(bytes_package=size)
    context.progress(100)


def _on_this_mac(context: StageContext[ConvertSettings], package: Path, module: Any, spec: Any) -> None:
    """Predicts with Core ML itself; the figures depend on the machine, so they are kept and not handed on."""
    call, eager = coreml.predictor(package), formats.module_runner(module, spec)
    tolerance = parity.Tolerance.of("float16" if context.settings.precision == "fp16" else "float32")
    rows = []
    for case in cases(spec, batch_sizes=(context.settings.batch,), random=2, seed=0):
        reference, found = eager(case.inputs), call(case.inputs)
        for output in spec.outputs:
            where = {"format": "coreml", "case": case.name, "batch": case.batch, "length": case.length, "output": output.name}
            value = found[output.name].astype(output.dtype)
            rows.append(parity.compare(reference[output.name], value, tolerance, logits=output.name == "logits", **where))
    figures = parity.summary(rows)
    times = {"coreml": formats.timed({"coreml": call, "eager": eager}, spec, 50, batch=context.settings.batch)}
    context.write_json("macos.json", {"summary": figures, "rows": [row.to_data() for row in rows], "latency": times}, handed_on=False)
    context.measure(**{f"{name}_macos": value for name, value in figures.items()})
