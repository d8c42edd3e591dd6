"""Files of the user: which of them a pipeline names, and the local modules that a Python file of theirs imports."""

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from lading.config.userfile import UserFile
from lading.errors import UserError

MAX_MODULES = 500


def is_file(value: Any) -> bool:
    """Whether a piece of a stage's settings names a file of the user."""
    return isinstance(value, dict) and set(value) == {"path", "sha256"}


def files_in(settings: Any) -> Iterator[dict[str, Any]]:
    """Every file of the user in settings, wherever it stands."""
    if is_file(settings):
        yield settings
    elif isinstance(settings, dict):
        for value in settings.values():
            yield from files_in(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from files_in(value)


def require_resolved(stage: str, settings: Any) -> None:
    """Refuses settings that still name files by path alone, before anything of them is launched on a machine that has no such path.

    Raises:
        UserError: naming `lading resolve`.
    """
    if unresolved := [str(file["path"]) for file in files_in(settings) if file["sha256"] is None]:
        raise UserError(
            f"stage {stage} names {', '.join(unresolved)} by path alone, and only the machine where it lies knows its bytes",
            do="there: lading resolve PIPELINE --store STORE > resolved.json, and run resolved.json",
        )


def local_modules(file: Path, root: Path) -> list[Path]:
    """The local modules that a Python file imports, and those that they import, found without running anything.

    Args:
        file: to start from.
        root: of the user's files; modules are looked for beside the file that imports them and at the root.

    Raises:
        UserError: one of the files is not Python.
    """
    found: dict[Path, None] = {}
    todo = [file]
    while todo:
        current = todo.pop()
        for target in _imports(current):
            for place in _places(target, current.parent, root):
                if place not in found and place != file:
                    found[place] = None
                    todo.append(place)
        if len(found) > MAX_MODULES:
            raise UserError(f"{file} imports more than {MAX_MODULES} local modules", do="install them as a package in an image of your own")
    return sorted(found)


def modules_beside(name: str, path: Path, folder: Path) -> dict[str, Path]:
    """The local modules of a Python file, by where each must lie in a stage so that the file finds it there.

    Args:
        name: of the file, as the pipeline names it.
        path: where it is.
        folder: of the pipeline: the root of its files, and for a file outside of it the file's own folder is that.
    """
    own = PurePosixPath(UserFile(path=name, sha256=None).name)
    if own == PurePosixPath(name) and path.resolve().is_relative_to(folder.resolve()):
        root, base = folder, PurePosixPath()
    else:
        root, base = path.parent, own.parent
    return {str(base / module.relative_to(root).as_posix()): module for module in local_modules(path, root)}


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Level and dotted name of everything that a file imports."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UserError(f"{file}{line}: this is not Python: {getattr(error, 'msg', error)}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield node.level, base
            yield from ((node.level, f"{base}.{alias.name}" if base else alias.name) for alias in node.names)


def _places(target: tuple[int, str], folder: Path, root: Path) -> Iterator[Path]:
    """The files that an import may load: the module, and the `__init__` of each package above it."""
    level, name = target
    for _ in range(level - 1):
        folder = folder.parent
    for base in dict.fromkeys([folder] if level else [folder, root]):
        stem = base
        for part in filter(None, name.split(".")):
            stem = stem / part
            for place in (stem.with_suffix(".py"), stem / "__init__.py"):
                if place.is_file() and place.resolve().is_relative_to(root.resolve()):
                    yield place
