"""A model from a Python file of the user's own and the modules that it imports: looked at first, imported in the stage's process."""

import inspect
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lading.config.modelfile import check_factory, check_file
from lading.errors import WrongInputError
from lading.ml.models.localmodules import LocalModules

SOURCE = "model_source.py"
"""The model file, as it is handed on."""
MODULES = "model_modules"
"""The folder of the modules that it imports, each at its place in the user's folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a model of the user's own."""

    place: str
    """Of the model file, in the user's folder."""
    files: Mapping[str, Path]
    """Where each lies now, by its place in the user's folder: the model file and the modules that it imports."""

    def save(self, folder: Path) -> None:
        """Hands them on, below a folder."""
        for place, name in handed_on(self.place, self.files).items():
            if self.files[place] != folder / name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.files[place], folder / name)


def saved(folder: Path, arguments: Mapping[str, Any]) -> Source:
    """Those that were handed on with a model, by the arguments of its spec."""
    place = arguments.get("file", SOURCE)
    return Source(place, {one: folder / name for one, name in handed_on(place, arguments.get("modules", ())).items()})


def handed_on(place: str, files: Any) -> dict[str, str]:
    """Place in the user's folder to the name as an artifact, of a model file and its modules."""
    return {place: SOURCE, **{one: f"{MODULES}/{one}" for one in files if one != place}}


def build_from_files(source: Source, arguments: Mapping[str, Any]) -> nn.Module:
    """Calls the model file's factory with those arguments that it takes.

    Args:
        source: its files.
        arguments: `factory` (its name), `arguments` (the user's) and what follows from the data.
    """
    for place, path in source.files.items():
        check_file(path, trust=bool(arguments.get("trust")), shown=place)
    check_factory(source.files[source.place], arguments["factory"], shown=source.place)
    factory = getattr(LocalModules(source.files).load(source.place), arguments["factory"], None)
    if factory is None:
        raise WrongInputError(
            f"the model file {source.place} has no {arguments['factory']!r}", do="set `factory` to a function or class in it"
        )
    taken = inspect.signature(factory).parameters
    free = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values())
    facts = {name: value for name, value in arguments["data"].items() if free or name in taken}
    model = factory(**{**facts, **arguments["arguments"]})
    if not isinstance(model, nn.Module):
        raise WrongInputError(f"{arguments['factory']} in {source.place} returned {type(model).__name__}, not a torch Module")
    return model
