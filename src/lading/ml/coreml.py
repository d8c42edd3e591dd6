"""Core ML: from weights and spec to a package whose bytes repeat, with enumerated lengths; reading one; predicting on macOS."""

import json
import logging
import platform
import shutil
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lading.errors import CannotRunHereError
from lading.ml.exported import export_program
from lading.ml.spec import ModelSpec, TensorSpec

Arrays = dict[str, NDArray[Any]]
PACKAGE = "model.mlpackage"
_PLACE = "com.apple.CoreML"
_DROPPED_METADATA = ("com.github.apple.coremltools.conversion_date",)
_SOURCE = "com.github.apple.coremltools.source"
_NAMESPACE = uuid.UUID("6f1d2f4e-9d0c-5a53-8a5e-5a1f0c0f7d11")


def tools() -> Any:
    """The coremltools module, imported without its chatter.

    Raises:
        CannotRunHereError: it is not installed.
    """
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import coremltools
    except ImportError as error:
        raise CannotRunHereError(f"coremltools can't be imported: {error}", do="pip install 'lading[export]'") from error
    return coremltools


def sizes(one: TensorSpec, batch: int, length: int | None) -> tuple[int, ...]:
    """The shape of an input at one length."""
    free = {"batch": batch, "length": length or 1}
    return tuple(free[axis] if isinstance(axis, str) else axis for axis in one.shape)


def input_types(spec: ModelSpec, *, batch: int, io_dtype: str) -> list[Any]:
    """Inputs as coremltools takes them: every length enumerated, the primary one as default, dtypes named."""
    ct = tools()
    lengths = tuple(spec.lengths) or (None,)
    primary = spec.primary_length or lengths[0]
    found = []
    for one in spec.inputs:
        shape: Any = sizes(one, batch, primary)
        if len(lengths) > 1 and "length" in one.shape:
            shape = ct.EnumeratedShapes([list(sizes(one, batch, length)) for length in lengths], default=list(shape))
        dtype = np.int32 if one.dtype.startswith("int") else np.dtype(io_dtype).type
        found.append(ct.TensorType(name=one.name, shape=shape, dtype=dtype))
    return found


def convert(
    module: nn.Module, spec: ModelSpec, path: Path, *, precision: str, target: str, batch: int, io_dtype: str, about: Mapping[str, str]
) -> None:
    """Exports the module afresh and writes it as an ML program; nothing is compiled or loaded.

    Args:
        module: in evaluation mode.
        spec: names, shapes and lengths.
        path: of the package to write.
        precision: fp16 or fp32.
        target: the oldest system.
        batch: samples a prediction.
        io_dtype: of float inputs and outputs.
        about: metadata that the package carries: `description` and keys of one's own.
    """
    ct = tools()
    program = export_program(module, spec, batch=batch).run_decompositions({})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=input_types(spec, batch=batch, io_dtype=io_dtype),
            outputs=[ct.TensorType(name=one.name, dtype=np.dtype(io_dtype).type) for one in spec.outputs],
            compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
            minimum_deployment_target=getattr(ct.target, target),
            skip_model_load=True,
        )
    model.short_description = about.get("description", "")
    for name, value in about.items():
        if name != "description":
            model.user_defined_metadata[name] = value
    if path.exists():
        shutil.rmtree(path)
    model.save(str(path))
    normalise(path)


def normalise(path: Path) -> None:
    """Makes a package's bytes repeat: names instead of random ids in its manifest, no date, no build tag, no debug map."""
    from coremltools.proto import Model_pb2

    (path / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)
    manifest_file = path / "Manifest.json"
    manifest = json.loads(manifest_file.read_text())
    renamed = {old: str(uuid.uuid5(_NAMESPACE, item["path"])) for old, item in manifest["itemInfoEntries"].items()}
    manifest["itemInfoEntries"] = {renamed[old]: item for old, item in manifest["itemInfoEntries"].items()}
    manifest["rootModelIdentifier"] = renamed[manifest["rootModelIdentifier"]]
    manifest_file.write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")
    file = path / "Data" / _PLACE / "model.mlmodel"
    spec = Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    metadata = spec.description.metadata.userDefined
    for name in _DROPPED_METADATA:
        metadata.pop(name, None)
    if _SOURCE in metadata:
        metadata[_SOURCE] = metadata[_SOURCE].partition("+")[0]
    file.write_bytes(spec.SerializeToString(deterministic=True))


def read_package(path: Path) -> tuple[Any, str]:
    """The spec of a package and the folder of its weights; nothing is compiled or loaded."""
    model = tools().models.MLModel(str(path), skip_model_load=True)
    return model.get_spec(), model.weights_dir


def load_program(path: Path) -> Any:
    """The package's own program with its weights, as coremltools' MIL."""
    spec, weights = read_package(path)
    from coremltools.converters.mil.frontend.milproto.load import load

    return load(spec, spec.specificationVersion, weights)


def can_predict() -> bool:
    """Whether this machine runs Core ML."""
    return platform.system() == "Darwin"


def predictor(path: Path) -> Callable[[Arrays], Arrays]:
    """A function from inputs to outputs by Core ML itself, on the CPU and GPU.

    Raises:
        CannotRunHereError: this is no Mac.
    """
    if not can_predict():
        raise CannotRunHereError("predicting with a Core ML package needs macOS", do="give the stage `runner: macos`")
    ct = tools()
    model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_AND_GPU)

    def call(inputs: Arrays) -> Arrays:
        typed = {name: value.astype(np.int32) if value.dtype.kind == "i" else value for name, value in inputs.items()}
        return {name: np.asarray(value) for name, value in model.predict(typed).items()}

    return call
