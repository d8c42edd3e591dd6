"""Modules of the user's own beside a model file, imported from the copies whose digests are in the key, and seen by these files alone."""

import builtins
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lading.errors import WrongInputError

PACKAGE = "lading_user_model"
"""What stands before their names in `sys.modules`: `lading_user_model.helper`, the same in every process, and nobody else's."""


class LocalModules:
    """Gives the import statements of some files each other, as Python would if they were run where the user keeps them.

    A file's statement finds a module beside that file, then one from the top of the user's folder, then what is installed. Nobody else's
    statement finds them: `sys.path` stays as it is, so a `statistics.py` of the user's is no library's `statistics`.

    Args:
        files: where each lies now, by its place in the user's folder: `nets/net.py`.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._made: dict[str, ModuleType] = {}

    def load(self, place: str) -> ModuleType:
        """The module of one of the files, imported once."""
        stem = place.removesuffix(".py").removesuffix("/__init__")
        return self._made.get(stem) or self._execute(stem, place)

    def _import(
        self,
        folder: str,
        name: str,
        globals_: Mapping[str, object] | None = None,
        locals_: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `__import__` is to a file in a folder."""
        parts = name.split(".") if name else []
        for base in _above(folder, level) if level else dict.fromkeys([folder, ""]):
            if self._is_local(base, parts, fromlist or ()):
                return self._chain(base, parts, fromlist or ())
        if level:
            raise ImportError(f"none of your modules is {'.' * level}{name}", name=name)
        return builtins.__import__(name, globals_, locals_, fromlist or (), level)

    def _is_local(self, base: str, parts: Sequence[str], fromlist: Sequence[str]) -> bool:
        stem, stems = base, []
        for part in parts:
            stem = _below(stem, part)
            stems.append(stem)
        return any(self._file(one) for one in [*stems, *(_below(stem, one) for one in fromlist)]) or (not parts and bool(self._file(base)))

    def _chain(self, base: str, parts: Sequence[str], fromlist: Sequence[str]) -> ModuleType:
        """What the statement gets: the first of `a.b.c`, or with names to take from it the last."""
        stem, found = base, [] if parts else [self._module(base)]
        for part in parts:
            stem = _below(stem, part)
            found.append(self._module(stem))
            if len(found) > 1:
                setattr(found[-2], part, found[-1])
        if not fromlist:
            return found[0]
        for name in getattr(found[-1], "__all__", ()) if "*" in fromlist else fromlist:
            if not hasattr(found[-1], name) and (self._file(_below(stem, name)) or self._is_folder(_below(stem, name))):
                setattr(found[-1], name, self._module(_below(stem, name)))
        return found[-1]

    def _file(self, stem: str) -> str | None:
        places = ("__init__.py",) if not stem else (f"{stem}/__init__.py", f"{stem}.py")
        return next((place for place in places if place in self._files), None)

    def _is_folder(self, stem: str) -> bool:
        return not stem or any(place.startswith(f"{stem}/") for place in self._files)

    def _module(self, stem: str) -> ModuleType:
        if stem in self._made:
            return self._made[stem]
        if place := self._file(stem):
            return self._execute(stem, place)
        if not self._is_folder(stem):
            raise ModuleNotFoundError(f"No module named {stem.replace('/', '.')!r}", name=stem.replace("/", "."))
        return self._made.setdefault(stem, ModuleType(_name(stem)))  # a folder without an __init__

    def _execute(self, stem: str, place: str) -> ModuleType:
        """Runs a file. No byte code is left beside it, where a stage's inputs may lie."""
        path, package = self._files[place], place.endswith("__init__.py")
        spec = spec_from_file_location(_name(stem), path, submodule_search_locations=[] if package else None)
        loader: Any = spec and spec.loader
        if spec is None or loader is None:
            raise WrongInputError(f"the model file {place} can't be imported", do="give it a name that ends in .py")
        module = module_from_spec(spec)
        folder = stem if package else stem.rpartition("/")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": partial(self._import, folder)}
        self._made[stem] = sys.modules[module.__name__] = module
        try:
            exec(loader.source_to_code(path.read_bytes(), str(path)), module.__dict__)  # noqa: S102 (a model file is code)
        except BaseException:
            del self._made[stem], sys.modules[module.__name__]
            raise
        return module


def _above(folder: str, level: int) -> Iterator[str]:
    """The folder that so many dots mean, if there is one."""
    parts = folder.split("/") if folder else []
    if level - 1 <= len(parts):
        yield "/".join(parts[: len(parts) - level + 1])


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _name(stem: str) -> str:
    return f"{PACKAGE}.{stem.replace('/', '.')}" if stem else PACKAGE
