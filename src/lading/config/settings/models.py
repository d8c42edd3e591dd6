"""The models that a pipeline may name, and what each is shaped by. What follows from the data (classes, sizes) is not set here."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lading.config.userfile import FileField
from lading.frozen import Frozen

Dropout = Annotated[float, Field(ge=0, lt=1)]


class NamedModel(Frozen):
    """A model in lading's own table."""

    def chosen(self) -> tuple[str, dict[str, Any]]:
        """Name in the table, and what it is shaped by."""
        arguments = self.model_dump()
        return arguments.pop("name"), arguments


class CnnModel(NamedModel):
    """A small convolutional network for images."""

    name: Literal["cnn"] = "cnn"
    width: int = Field(16, ge=4, le=1024)
    """Channels of the first layer; each of the next has twice as many."""
    layers: int = Field(2, ge=1, le=6)
    """Convolution blocks."""
    norm: Literal["group", "batch"] = "group"
    """`group` is the same at every batch and world size; `batch` is what older checkpoints have."""
    dropout: Dropout = 0.0
    """Before the head."""

    @model_validator(mode="after")
    def _groups(self) -> "CnnModel":
        if self.norm == "group" and self.width % 4:
            raise ValueError(f"width {self.width} must be a multiple of 4 for group norm")
        return self


class MlpModel(NamedModel):
    """Fully connected layers, for rows of numbers."""

    name: Literal["mlp"] = "mlp"
    width: int = Field(64, ge=1, le=8192)
    """Of each hidden layer."""
    layers: int = Field(2, ge=1, le=32)
    """Hidden layers."""
    dropout: Dropout = 0.0
    """After each hidden layer."""


class VitModel(NamedModel):
    """A vision transformer."""

    name: Literal["vit"] = "vit"
    patch: int = Field(2, ge=1)
    """Edge of a patch, in pixels; must divide the image's."""
    dim: int = Field(64, ge=8)
    """Width of the stream."""
    depth: int = Field(4, ge=1)
    """Blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads; must divide `dim`."""
    dropout: Dropout = 0.0
    """In every block."""

    @model_validator(mode="after")
    def _divides(self) -> "VitModel":
        _heads_divide(self.dim, self.heads)
        return self


class LmModel(NamedModel):
    """A decoder-only language model over bytes."""

    name: Literal["lm"] = "lm"
    dim: int = Field(128, ge=8)
    """Width of the stream."""
    depth: int = Field(4, ge=1)
    """Blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads; must divide `dim`, into an even width each."""
    dropout: Dropout = 0.0
    """In every block."""
    halt: bool = True
    """A second output, `halt_logits`: the text ends after this byte."""

    @model_validator(mode="after")
    def _divides(self) -> "LmModel":
        _heads_divide(self.dim, self.heads, even=True)
        return self


class FileModel(Frozen):
    """A model from a Python file of the user's own."""

    file: FileField
    """One Python file; it is linted, and travels with the weights. Its code runs with all rights of the stage, so use files you know."""
    modules: tuple[FileField, ...] = ()
    """Local modules that it imports, and those that they import: found beside the file that imports them or at the top of the pipeline's
    folder, stored and filled in when the pipeline is resolved."""
    factory: str = Field("build", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """A function or class in it: called with `arguments` and with `shape` and `classes` (or `vocabulary`, `max_length`) of the data."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Passed to the factory by name; JSON values."""
    trust: bool = False
    """Skips the lint of the file and its modules (processes, network, files, eval, pickle), which is no barrier against harmful code."""

    def chosen(self) -> tuple[str, dict[str, Any]]:
        """`file`, and what the file's factory is called with."""
        files = {"file": self.file.name, "modules": [module.name for module in self.modules]}
        return "file", {**files, "factory": self.factory, "arguments": self.arguments, "trust": self.trust}


def _heads_divide(dim: int, heads: int, *, even: bool = False) -> None:
    if dim % heads or (even and (dim // heads) % 2):
        raise ValueError(f"dim {dim} can't be shared by {heads} heads{' in even parts' if even else ''}")


def _which(value: Any) -> str:
    if isinstance(value, dict):
        return "file" if "file" in value else str(value.get("name", "cnn"))
    return "file" if isinstance(value, FileModel) else str(getattr(value, "name", value))


ModelSettings = Annotated[
    Annotated[CnnModel, Tag("cnn")]
    | Annotated[MlpModel, Tag("mlp")]
    | Annotated[VitModel, Tag("vit")]
    | Annotated[LmModel, Tag("lm")]
    | Annotated[FileModel, Tag("file")],
    Discriminator(_which),
]
