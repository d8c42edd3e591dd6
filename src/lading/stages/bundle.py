"""Bundle: everything that a consumer of the model needs, in one folder with checksums; this module copies and hashes, no more."""

import json
import shutil
from pathlib import Path
from typing import Any

from lading.canonical import sha256_file
from lading.config.settings.bundle import BundleSettings
from lading.errors import WrongInputError
from lading.stages.context import Need, StageContext

_ALWAYS = ("model.safetensors", "model.json", "model_source.py", "contract.json", "model.onnx", "model.onnx.data")
_MODULES = "model_modules"
_WHAT = {
    "contract.json": "inputs, outputs, classes, lengths and the digest of each format",
    "model.safetensors": "the weights",
    "model.json": "what the model is built from",
    "model_source.py": "the Python file that builds it",
    _MODULES: "what that file imports",
    "model.onnx": "for onnxruntime",
    "model.pt2": "for torch.export.load; loading it can run code, so check its digest first",
    "model.ts.pt": "TorchScript; loading it can run code, so check its digest first",
    "model.mlpackage": "for Core ML",
    "calibration.json": "how to turn logits into probabilities and decisions",
    "check.json": "how near each format is to PyTorch, case by case",
    "verify.json": "what was verified of the Core ML package",
    "convert.json": "how the Core ML package was made",
    "evaluation.json": "how good the model is on held-out data",
}


def run(context: StageContext[BundleSettings]) -> None:
    """Writes the bundle and `bundle.json`, which names every other file with size and sha256.

    Raises:
        WrongInputError: the check or the verification found failures.
    """
    settings = context.settings
    for role in ("check", "verify"):
        if role in context.inputs:
            _refuse_failures(context, context.inputs[role], allow=settings.allow_failures)
    wanted = [*_ALWAYS, *(["model.pt2"] if settings.exported_program else []), *(["model.ts.pt"] if settings.torchscript else [])]
    export = context.need("export")
    for name in wanted:
        if export.path(name).is_file():
            shutil.copyfile(export.path(name), context.file(name))
    _copy_all(context, export.folder, _MODULES)
    for role in ("check", "convert", "verify", "calibrate"):
        if role in context.inputs:
            _copy_all(context, context.inputs[role].folder)
    if "evaluate" in context.inputs:
        context.write_json(
            "evaluation.json", {"schema": "lading/evaluation/v1", "measurements": dict(context.inputs["evaluate"].measurements)}
        )
    contract = _contract(context)
    context.file("README.md", media_type="text/markdown").write_text(readme(contract, context, settings.title), encoding="utf-8")
    files = listing(context.output)
    context.write_json("bundle.json", {"schema": "lading/bundle/v1", "model": contract["model"], "task": contract["task"], "files": files})
    context.measure(files=len(files), bytes_bundle=sum(one["size"] for one in files.values()))
    context.progress(100)


def _refuse_failures(context: StageContext[BundleSettings], need: Need, *, allow: bool) -> None:
    failures = need.measurements.get("failures")
    if failures == 0:
        return
    said = f"{need.role} found {failures:g} failures" if failures is not None else f"{need.role} says nothing of failures"
    if not allow:
        raise WrongInputError(
            f"{said}, so nothing was bundled", do=f"look at {need.role}.json (lading show RUN {need.role}), or set `allow_failures: true`"
        )
    context.warn(f"{said}; bundled all the same, as the settings ask")


def _contract(context: StageContext[BundleSettings]) -> dict[str, Any]:
    """The contract, less the formats that this bundle leaves out."""
    contract: dict[str, Any] = json.loads((context.output / "contract.json").read_text(encoding="utf-8"))
    contract["formats"] = {name: one for name, one in contract["formats"].items() if (context.output / one["file"]).is_file()}
    context.write_json("contract.json", contract)
    return contract


def _copy_all(context: StageContext[BundleSettings], folder: Path, below: str = "") -> None:
    for path in sorted((folder / below).rglob("*")):
        if path.is_file():
            shutil.copyfile(path, context.file(path.relative_to(folder).as_posix()))


def listing(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file below, by its relative path, with size and sha256."""
    return {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def readme(contract: dict[str, Any], context: StageContext[BundleSettings], title: str) -> str:
    """A page for whoever uses the bundle: what lies in it, what the model takes and gives, how good it is."""
    lines = [
        f"# {title or contract['model']}",
        "",
        f"A model for {contract['task']}, {contract['parameters']:,} parameters.",
        "",
        "## Files",
        "",
    ]
    there = {path.name for path in context.output.iterdir()}
    lines += [f"- `{name}`: {what}" for name, what in _WHAT.items() if name in there]
    lines += ["- `bundle.json`: size and sha256 of every file; check them before use", "", "## Inputs and outputs", ""]
    for what in ("inputs", "outputs"):
        for one in contract[what]:
            shape = " x ".join(str(axis) for axis in one["shape"])
            span = f", from {one['low']:g} to {one['high']:g}" if one.get("low") is not None and one.get("high") is not None else ""
            lines.append(f"- {what[:-1]} `{one['name']}`: {one['dtype']}, {shape}{span}")
    if contract["lengths"]:
        lines.append(f"- lengths: {', '.join(map(str, contract['lengths']))} (default {contract['primary_length']})")
    if contract["classes"]:
        lines.append(f"- classes, in the order of the logits: {', '.join(contract['classes'])}")
    for role in ("evaluate", "calibrate", "check", "verify"):
        if role in context.inputs and context.inputs[role].measurements:
            lines += ["", f"## Measured by {role}", ""]
            lines += [f"- {name}: {_shown(value)}" for name, value in sorted(context.inputs[role].measurements.items())]
    return "\n".join(lines) + "\n"


def _shown(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.6g}"
