"""Verify: a Core ML package keeps the contract, holds the model's weights and computes the model's numbers, shown without a Mac."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from lading.canonical import sha256_file
from lading.config.settings.verify import VerifySettings
from lading.errors import WrongInputError
from lading.ml import coreml, formats, health, mil_lint, parity
from lading.ml.cases import Case, cases
from lading.ml.contract import read_contract
from lading.ml.mil_replay import Replay, Trace
from lading.ml.models import load_model
from lading.ml.spec import ModelSpec
from lading.stages.context import StageContext

MIN_PSNR_DB = {"fp16": 35.0, "fp32": 80.0}
"""35 dB is what Apple itself asks of an fp16 model."""


@dataclass(slots=True)
class Findings:
    """What is wrong, and what is only worth a look."""

    failures: list[str] = field(default_factory=list)
    hazards: list[str] = field(default_factory=list)


def run(context: StageContext[VerifySettings]) -> None:
    """Writes `verify.json`: contract, weights, census, hazards, and every figure of every case."""
    settings, need = context.settings, context.need("convert")
    torch.set_num_threads(context.threads)
    read_contract(context.need("export").folder)
    made = json.loads(need.path("convert.json").read_text(encoding="utf-8"))
    module, spec = load_model(context.need("export").folder)
    package, half = need.path(made["package"]), made["precision"] == "fp16"
    for name, digest in made["files"].items():
        if not need.path(name).is_file() or sha256_file(need.path(name)) != digest:
            raise WrongInputError(f"{name} is not the file that convert.json names", do="make the convert stage again")
    findings = Findings()
    package_spec, _ = coreml.read_package(package)
    findings.failures += mil_lint.contract_problems(package_spec.description, spec, batch=made["batch"], io_dtype=made["io_dtype"])
    replay = Replay(coreml.load_program(package))
    census = replay.census()
    if settings.allowed_ops:
        findings.failures += [f"the operation {name} is not allowed" for name in census if name not in settings.allowed_ops]
    weights = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    matched, wrong = mil_lint.compare_weights(replay, weights, half=half)
    findings.failures += wrong
    findings.hazards += mil_lint.hazards(replay)
    context.progress(20)
    trace = Trace()
    found = inputs_for(context, spec, made["batch"])
    rows = replayed(context, module, spec, replay, made, trace, found)
    real = sum(case.real for case in found)
    findings.hazards += mil_lint.range_hazards(trace)
    findings.failures += [sentence(row) for row in rows if row.failed]
    findings.failures += _below(rows, settings.min_psnr_db if settings.min_psnr_db is not None else MIN_PSNR_DB[made["precision"]])
    if trace.first_broken:
        findings.failures.append(f"the first operation that gave NaN or infinities is {trace.first_broken}")
    figures = {**parity.summary(rows), "failures": float(len(findings.failures)), "hazards": float(len(findings.hazards))}
    context.write_json(
        "verify.json",
        {
            "schema": "lading/verify/v1",
            "verified_on": "replay",
            "specification_version": package_spec.specificationVersion,
            "summary": figures,
            "failures": findings.failures,
            "hazards": findings.hazards,
            "operations": census,
            "weights": {"matched": matched, "of": len(weights), "differing": wrong},
            "rows": [row.to_data() for row in rows],
            "real_samples": real,
        },
    )
    context.measure(**figures, weights_matched=matched, real_samples=real)
    for one in findings.failures[:10]:
        context.warn(one)
    for one in findings.hazards[:10]:
        context.warn(f"hazard: {one}")
    context.progress(100)


def inputs_for(context: StageContext[VerifySettings], spec: ModelSpec, batch: int) -> list[Case]:
    """What the package is run on, in batches of the size that is fixed in it."""
    settings = context.settings
    data = context.inputs["data"].folder if "data" in context.inputs else None
    context.seed(inputs=settings.seed)
    return list(
        cases(
            spec,
            batch_sizes=(batch,),
            random=settings.random_inputs,
            seed=settings.seed,
            data=data,
            split=settings.split,
            samples=settings.samples,
        )
    )


def replayed(
    context: StageContext[VerifySettings],
    module: Any,
    spec: ModelSpec,
    replay: Replay,
    made: dict[str, Any],
    trace: Trace,
    found: list[Case],
) -> list[parity.Row]:
    """A row for each output of each case, at every enumerated length.

    Raises:
        WrongInputError: the model's outputs could not tell a right package from a wrong one.
    """
    eager = formats.module_runner(module, spec)
    references = [eager(case.inputs) for case in found]
    for output in spec.outputs:
        why = health.inconclusive([r[output.name] for case, r in zip(found, references, strict=True) if case.ordinary])
        if why:
            raise WrongInputError(
                f"the verification of {output.name} is inconclusive: {why}", do="train the model first, or look for a dead layer"
            )
    tolerance = parity.Tolerance.of("float16" if made["precision"] == "fp16" else "float32")
    rows = []
    for i, (case, reference) in enumerate(zip(found, references, strict=True)):
        where: dict[str, Any] = {"format": "coreml", "case": case.name, "batch": case.batch, "length": case.length}
        outputs, problem = _run(replay, case, trace)
        for output in spec.outputs:
            if output.name not in outputs:
                rows.append(parity.Row(**where, output=output.name, problem=problem or f"no output {output.name}"))
                continue
            value, logits = outputs[output.name].astype(np.float32), output.name == "logits"
            expected = reference[output.name].astype(np.float32)
            rows.append(parity.compare(expected, value, tolerance, logits=logits, output=output.name, **where))
        context.progress(20 + 75 * (i + 1) / len(found))
    return rows


def _run(replay: Replay, case: Case, trace: Trace) -> tuple[formats.Arrays, str | None]:
    """The outputs, or why there are none: a program that can't take a declared length is a finding."""
    try:
        return replay(case.inputs, trace), None
    except (RuntimeError, IndexError, ValueError, NotImplementedError) as error:
        return {}, f"the program does not run: {str(error)[:300]}"


def _below(rows: list[parity.Row], bound: float) -> list[str]:
    return [
        f"{row.output}, {row.case}{f', length {row.length}' if row.length else ''}: {row.psnr_db:.1f} dB, below {bound:g}"
        for row in rows
        if row.psnr_db is not None and row.psnr_db < bound
    ]


def sentence(row: parity.Row) -> str:
    """A failed row, for a person."""
    place = f"{row.output}, {row.case}" + (f", length {row.length}" if row.length else "")
    return f"{place}: {row.problem or f'{row.beyond} of {row.count} values beyond the tolerance, the largest by {row.max_abs:.3g}'}"
