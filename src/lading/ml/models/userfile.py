"""A model from a Python file of the user's own: checked statically, then imported in the stage's process."""

import ast
import importlib.util
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from lading.errors import WrongInputError

# fmt: off
REFUSED_MODULES = frozenset(
    {
        "asyncio", "builtins", "code", "codeop", "concurrent", "ctypes", "dill", "ftplib", "http", "importlib", "joblib", "marshal",
        "multiprocessing", "os", "pickle", "pty", "requests", "runpy", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver",
        "ssl", "subprocess", "sys", "telnetlib", "tempfile", "threading", "urllib", "urllib3", "webbrowser"
    }
)
REFUSED_CALLS = frozenset(
    {
        "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "globals", "input", "locals", "open", "setattr", "vars"
    }
)
REFUSED_ATTRIBUTES = frozenset(
    {
        "__builtins__", "__class__", "__code__", "__dict__", "__globals__", "__loader__", "__mro__", "__subclasses__", "hub", "load",
        "load_library", "load_inline"
    }
)
# fmt: on


def refusals(text: str) -> list[str]:
    """What a model file has no need of and a harmful one has: `line 3: import subprocess`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, f"import {a.name}") for a in names if a.name.split(".")[0] in REFUSED_MODULES]
            case ast.ImportFrom(module=module) if module and module.split(".")[0] in REFUSED_MODULES:
                found.append((node.lineno, f"import from {module}"))
            case ast.Name(id=name) if name in REFUSED_CALLS or name == "__builtins__":
                found.append((node.lineno, name))
            case ast.Attribute(attr=name) if name in REFUSED_ATTRIBUTES:
                found.append((node.lineno, f".{name}"))
            case _:
                pass
    return [f"line {line}: {what}" for line, what in sorted(found)]


def check_file(path: Path, *, trust: bool = False) -> None:
    """Refuses a model file that starts processes, opens connections or files, or evaluates text.

    Raises:
        WrongInputError: it is not there, is no Python, or holds what is refused; each with its line.
    """
    try:
        found = refusals(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongInputError(f"the model file {path.name} can't be read: {error.strerror}", do="check `model: {file: ...}`") from error
    except (SyntaxError, ValueError) as error:
        raise WrongInputError(f"the model file {path.name} is not Python: {error}", do="mend it") from error
    if found and not trust:
        raise WrongInputError(
            f"the model file {path.name} uses what a model has no need of:\n  " + "\n  ".join(found),
            do="take it out or, if you know the file, set `model: {file: ..., trust: true}`",
        )


def build_from_file(path: Path, arguments: dict[str, Any]) -> nn.Module:
    """Calls the file's factory with those arguments that it takes.

    Args:
        path: the file; it was checked before.
        arguments: `factory` (its name), `arguments` (the user's) and what follows from the data.
    """
    check_file(path, trust=bool(arguments.get("trust")))
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
