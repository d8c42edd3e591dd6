"""A model file of the user's own, read without running anything: the same look when a run is planned and when its stage starts.

It is a lint, and no barrier: it finds what a model file has no need of where that is plainly written, and Python has ways to write anything
otherwise. Whoever runs a model file runs its code, with all rights of the stage's process.
"""

import ast
import difflib
from pathlib import Path

from lading.errors import WrongInputError

# fmt: off
REFUSED_MODULES = frozenset(
    {
        "asyncio", "builtins", "code", "codecs", "codeop", "concurrent", "ctypes", "dill", "fileinput", "ftplib", "http", "httpx",
        "importlib", "io", "joblib", "marshal", "mmap", "multiprocessing", "os", "pathlib", "pickle", "pkgutil", "pty", "requests", "runpy",
        "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tarfile", "telnetlib",
        "tempfile", "threading", "urllib", "urllib3", "webbrowser", "zipfile"
    }
)
REFUSED_CALLS = frozenset(
    {
        "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "globals", "input", "locals", "open", "setattr", "vars"
    }
)
REFUSED_ATTRIBUTES = frozenset(  # also of what is imported: `from torch import load`, `import torch.hub`
    {
        "__builtins__", "__class__", "__code__", "__dict__", "__globals__", "__loader__", "__mro__", "__subclasses__", "fromfile",
        "hub", "load", "load_inline", "load_library", "memmap", "tofile", "write_bytes", "write_text"
    }
)
# fmt: on


def refusals(text: str) -> list[str]:
    """What a model file has no need of and a harmful one has: `line 3: import subprocess`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, f"import {a.name}") for a in names if _is_refused(a.name)]
            case ast.ImportFrom(level=0, module=str(module), names=names):
                taken = [a.name for a in names if _is_refused(f"{module}.{a.name}")]
                found += [(node.lineno, f"from {module} import {', '.join(taken)}")] if taken else []
            case ast.Name(id=name) if name in REFUSED_CALLS or name == "__builtins__":
                found.append((node.lineno, name))
            case ast.Attribute(attr=name) if name in REFUSED_ATTRIBUTES:
                found.append((node.lineno, f".{name}"))
            case _:
                pass
    return [f"line {line}: {what}" for line, what in sorted(found)]


def _is_refused(dotted: str) -> bool:
    first, *rest = dotted.split(".")
    return first in REFUSED_MODULES or not REFUSED_ATTRIBUTES.isdisjoint(rest)


def check_file(path: Path, *, trust: bool = False, shown: str = "") -> None:
    """Refuses a model file, or a module of one, that plainly starts processes, opens connections or files, or evaluates text.

    Raises:
        WrongInputError: it is not there, is no Python, or holds what is refused; each with its line.
    """
    try:
        found = refusals(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongInputError(
            f"the model file {shown or path.name} can't be read: {error.strerror}", do="check `model: {file: ...}`"
        ) from error
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise WrongInputError(f"{shown or path.name}{line}: this is not Python: {getattr(error, 'msg', error)}", do="mend it") from error
    if found and not trust:
        raise WrongInputError(
            f"the model file {shown or path.name} uses what a model has no need of:\n  " + "\n  ".join(found),
            do="take it out or, if you know the file, set `model: {file: ..., trust: true}`",
        )


def check_factory(path: Path, factory: str, *, shown: str = "") -> None:
    """Refuses a model file that plainly does not define its factory; one that may get it from elsewhere passes.

    Raises:
        WrongInputError: naming what the file does define, with lines.
    """
    found = _defined(ast.parse(path.read_text(encoding="utf-8")).body)
    if factory in found or found.keys() & {"*", "__getattr__"}:
        return
    close = difflib.get_close_matches(factory, found, n=1)
    made = [name for name, line in found.items() if line]
    there = ", ".join(f"{name} (line {found[name]})" for name in made[:10]) or "no function and no class"
    hint = f"did you mean `factory: {close[0]}`?" if close else "set `factory:` to a function or class in it"
    raise WrongInputError(f"the model file {shown or path.name} has no {factory!r}; it has {there}", do=hint)


def _defined(body: list[ast.stmt]) -> dict[str, int]:
    """The names that a module has once it is imported, `*` for those of another; functions and classes with their line, others with 0."""
    found: dict[str, int] = {}
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node.lineno
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {(alias.asname or alias.name).partition(".")[0]: 0 for alias in names}
            case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
                for part in ("body", "orelse", "finalbody"):
                    found |= _defined(getattr(node, part, []))
                for handler in getattr(node, "handlers", []):
                    found |= _defined(handler.body)
        stored = (one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
        found |= {
            name: found.get(name, 0) for name in stored if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
    return found
