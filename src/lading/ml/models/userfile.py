"""A model from a Python file of the user's own, which was checked statically: imported in the stage's process."""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from lading.config.modelfile import check_factory, check_file
from lading.errors import WrongInputError


def build_from_file(path: Path, arguments: dict[str, Any]) -> nn.Module:
    """Calls the file's factory with those arguments that it takes.

    Args:
        path: the file; it was checked before.
        arguments: `factory` (its name), `arguments` (the user's) and what follows from the data.
    """
    check_file(path, trust=bool(arguments.get("trust")))
    check_factory(path, arguments["factory"])
    spec = importlib.util.spec_from_file_location("lading_user_model", path)
    if spec is None or spec.loader is None:
        raise WrongInputError(f"the model file {path.name} can't be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    factory = getattr(module, arguments["factory"], None)
    if factory is None:
        raise WrongInputError(
            f"the model file {path.name} has no {arguments['factory']!r}", do="set `factory` to a function or class in it"
        )
    taken = inspect.signature(factory).parameters
    free = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values())
    facts = {name: value for name, value in arguments["data"].items() if free or name in taken}
    model = factory(**{**facts, **arguments["arguments"]})
    if not isinstance(model, nn.Module):
        raise WrongInputError(f"{arguments['factory']} in {path.name} returned {type(model).__name__}, not a torch Module")
    return model
