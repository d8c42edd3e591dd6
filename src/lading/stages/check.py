"""Check: every format of an export gives what PyTorch gives, at every declared length, several batch sizes and the edges."""

import copy

import torch

from lading.config.settings.check import CheckSettings
from lading.errors import WrongInputError
from lading.ml import formats, health, parity
from lading.ml.cases import Case, cases
from lading.ml.contract import read_contract
from lading.ml.models import load_model
from lading.ml.spec import ModelSpec
from lading.stages.context import StageContext

Runners = dict[str, formats.Runner]


def run(context: StageContext[CheckSettings]) -> None:
    """Writes `check.json`: every figure, and the score that follows from them; latencies are kept beside it."""
    settings, export = context.settings, context.need("export")
    contract = read_contract(export.folder)
    module, spec = load_model(export.folder)
    torch.set_num_threads(context.threads)
    health.check_weights(module)
    for name in health.dead_parameters(module):
        context.warn(f"{name} is zero throughout")
    names = [name for name in contract.formats if name != "safetensors"]
    runners: Runners = {name: formats.runner(name, export.folder, spec, threads=context.threads) for name in names}
    data = context.inputs["data"].folder if "data" in context.inputs else None
    found = list(
        cases(
            spec,
            batch_sizes=settings.batch_sizes,
            random=settings.random_inputs,
            seed=settings.seed,
            data=data,
            split=settings.split,
            samples=settings.samples,
        )
    )
    context.seed(inputs=settings.seed)
    rows = compare_all(context, module, spec, runners, found)
    real = sum(case.real for case in found)
    figures = parity.by_format(rows)
    overall = parity.summary(rows)
    context.write_json(
        "check.json",
        {
            "schema": "lading/check/v1",
            "summary": overall,
            "formats": figures,
            "rows": [row.to_data() for row in rows],
            "real_samples": real,
        },
    )
    parts = ("max_abs_error", "psnr_db", "top1_agreement", "failures")
    context.measure(**overall, parity=overall["score"], real_samples=real, dead_parameters=len(health.dead_parameters(module)))
    context.measure(**{f"{part}_{name}": figures[name][part] for name in figures for part in parts if part in figures[name]})
    for row in [row for row in rows if row.failed][:10]:
        context.warn(sentence(row))
    broken = {row.format for row in rows if row.problem}
    if settings.latency_runs:
        sound = {"eager": formats.module_runner(module, spec), **{name: call for name, call in runners.items() if name not in broken}}
        times = formats.timed(sound, spec, settings.latency_runs)
        context.write_json("latency.json", {"threads": context.threads, "runs": settings.latency_runs, "formats": times}, handed_on=False)
    context.progress(100)


def compare_all(
    context: StageContext[CheckSettings], module: torch.nn.Module, spec: ModelSpec, runners: Runners, found: list[Case]
) -> list[parity.Row]:
    """A row for every format, case and output.

    Raises:
        WrongInputError: the model's outputs could not tell a right export from a wrong one.
    """
    settings = context.settings
    eager = formats.module_runner(module, spec)
    double = formats.module_runner(copy.deepcopy(module).double(), spec, dtype=torch.float64)
    references = [eager(case.inputs) for case in found]
    _conclusive(spec, found, references)
    rows = []
    for i, (case, reference) in enumerate(zip(found, references, strict=True)):
        exact = double(case.inputs)
        for name, call in runners.items():
            where = {"format": name, "case": case.name, "batch": case.batch, "length": case.length}
            outputs, problem = _run(call, case.inputs)
            for output in spec.outputs:
                if output.name not in outputs:
                    rows.append(parity.Row(**where, output=output.name, problem=problem or f"no output {output.name}"))
                    continue
                tolerance = parity.Tolerance.of(output.dtype, rtol=settings.rtol, atol=settings.atol)
                rows.append(
                    parity.compare(
                        reference[output.name],
                        outputs[output.name],
                        tolerance,
                        logits=output.name == "logits",
                        exact=None if output.dtype == "float64" else exact[output.name],
                        output=output.name,
                        **where,
                    )
                )
        context.progress(90 * (i + 1) / len(found))
    return rows


def _conclusive(spec: ModelSpec, found: list[Case], references: list[formats.Arrays]) -> None:
    for output in spec.outputs:
        ordinary = [reference[output.name] for case, reference in zip(found, references, strict=True) if case.ordinary]
        why = health.inconclusive(ordinary)
        if why:
            raise WrongInputError(
                f"the check of {output.name} is inconclusive: {why}",
                do="train the model first, or look for a dead layer: a check of it would prove nothing",
            )


def _run(call: formats.Runner, inputs: formats.Arrays) -> tuple[formats.Arrays, str | None]:
    """The outputs, or why there are none: a format that refuses a declared shape is a finding, not the end of the check."""
    try:
        return call(inputs), None
    except Exception as error:  # noqa: BLE001 - runtimes raise their own classes, and each means the same here
        return {}, f"it does not run: {type(error).__name__}: {str(error)[:300]}"


def sentence(row: parity.Row) -> str:
    """A failed row, for a person."""
    place = f"{row.format}, {row.output}, {row.case}, batch {row.batch}" + (f", length {row.length}" if row.length else "")
    return f"{place}: {row.problem or f'{row.beyond} of {row.count} values beyond the tolerance, the largest by {row.max_abs:.3g}'}"
