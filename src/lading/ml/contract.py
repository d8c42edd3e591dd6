"""The contract of an export: what every format of it takes and gives, checked by later stages and by whoever uses the bundle."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lading.canonical import sha256_file
from lading.errors import WrongInputError
from lading.frozen import Frozen
from lading.ml.spec import ModelSpec, Task, TensorSpec

CONTRACT = "contract.json"
FILES = {"safetensors": "model.safetensors", "onnx": "model.onnx", "torchscript": "model.ts.pt", "exported": "model.pt2"}
"""Format to file name."""


class FormatEntry(Frozen):
    """One format of the model."""

    file: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    sha256: str
    size: int
    detail: dict[str, str | int] = Field(default_factory=dict)
    """Such as the opset."""


class Contract(Frozen):
    """`contract.json`."""

    schema_: Literal["lading/contract/v1"] = Field("lading/contract/v1", alias="schema")
    task: Task
    model: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    classes: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    primary_length: int | None = None
    parameters: int
    """Numbers in the weights."""
    formats: dict[str, FormatEntry]


def entry(folder: Path, format: str, **detail: str | int) -> FormatEntry:
    """The entry of a format whose file lies in `folder`."""
    path = folder / FILES[format]
    return FormatEntry(file=path.name, sha256=sha256_file(path), size=path.stat().st_size, detail=detail)


def contract_of(spec: ModelSpec, *, parameters: int, formats: dict[str, FormatEntry]) -> Contract:
    """The contract of a model with its formats."""
    return Contract(
        task=spec.task,
        model=spec.name,
        inputs=spec.inputs,
        outputs=spec.outputs,
        classes=spec.classes,
        lengths=spec.lengths,
        primary_length=spec.primary_length,
        parameters=parameters,
        formats=formats,
    )


def read_contract(folder: Path) -> Contract:
    """The contract of an export, with every file that it names there and of its digest.

    Raises:
        WrongInputError: a file is missing or is another one.
    """
    contract = Contract.model_validate_json((folder / CONTRACT).read_bytes())
    for name, one in contract.formats.items():
        files = {one.file: one.sha256, **({str(one.detail["data_file"]): one.detail["data_sha256"]} if "data_file" in one.detail else {})}
        for file, digest in files.items():
            path = folder / Path(file).name
            if not path.is_file() or sha256_file(path) != digest:
                raise WrongInputError(f"{file} is not the file that the contract names for {name}", do="make the export stage again")
    return contract
