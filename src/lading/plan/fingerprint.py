"""The code fingerprint of a kind: lading's own sources that it uses, without comments and docstrings, and versions of libraries.

Found by reading the sources, never by importing them: a launcher has no torch. The same sources give the same digest under
every version of Python, so laptop, pod and Mac share results.
"""

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lading.canonical import sha256_of
from lading.config.kinds import KINDS
from lading.plan import cache

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package `lading`."""
WITHIN = ("lading.stages.", "lading.ml.", "lading.config.settings.")
"""Where the import closure stays: what is outside decides how work is moved about, not what comes out."""
ABSENT = "absent"
_DOTTED = re.compile(r"^lading\.(?:stages|ml)(?:\.[A-Za-z_]\w*)+(?::\w+)?$")
_FORMAT = 1
"""Part of what is cached: change it with `_walk`."""
_SKIPPED_FIELDS = frozenset({"type_comment", "type_params", "kind", "ctx", "type_ignores"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Both halves of a fingerprint."""

    code: str
    libraries: Mapping[str, str]

    @property
    def digest(self) -> str:
        """What is in the key."""
        return sha256_of({"code": self.code, "libraries": dict(self.libraries)})


def fingerprint(kind: str) -> str:
    """The fingerprint of a kind on this machine."""
    return parts(kind).digest


@lru_cache(maxsize=64)
def parts(kind: str) -> Fingerprint:
    """The fingerprint of a kind on this machine, in its halves; found once per process."""
    return with_versions(kind, _versions())


def with_versions(kind: str, versions: Mapping[str, str]) -> Fingerprint:
    """The fingerprint of a kind where libraries have other versions: those of an image's lock file.

    Args:
        kind: of the stage.
        versions: normalised name of a distribution (`scikit-learn`) to version; what is not in it is absent.
    """
    own = {name: versions.get(normalised(name), ABSENT).partition("+")[0] for name in KINDS[kind].libraries}
    return Fingerprint(code_digest(kind), dict(sorted(own.items())))


def normalised(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=64)
def code_digest(kind: str) -> str:
    """sha256 over the sources of a kind's import closure."""
    table, sources = KINDS[kind], _sources()
    found: dict[str, str] = {}
    todo = [table.function.partition(":")[0], table.settings.partition(":")[0]]
    while todo:
        module = todo.pop()
        if module in found or (source := sources.of(module)) is None:
            continue
        found[module] = source[0]
        todo += [name for imported in source[1] for name in _with_parents(imported) if name.startswith(WITHIN)]
    sources.keep()
    return sha256_of(found)


def _with_parents(module: str) -> Iterator[str]:
    """A dotted name and the packages above it, whose `__init__` runs too. The name may be an attribute; then it is no file."""
    names = module.split(".")
    for end in range(3, len(names) + 1):
        yield ".".join(names[:end])


@lru_cache(maxsize=1)
def _sources() -> "_Sources":
    return _Sources(cache.folder("code") / f"{hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]}-{_FORMAT}.json")


class _Sources:
    """Digest and imports of each module, kept on disk by size and mtime: parsing all of them takes a quarter of a second."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._kept = cache.read_json(place)
        self._fresh = False

    def of(self, module: str) -> tuple[str, list[str]] | None:
        """Digest and imported names of a module; none if there is no such file."""
        stem = os.path.join(ROOT, *module.split("."))  # noqa: PTH118 - ten times as fast here
        for path, package in ((stem + ".py", module.rpartition(".")[0]), (os.path.join(stem, "__init__.py"), module)):  # noqa: PTH118
            try:
                stat = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            known = self._kept.get(module)
            if not known or known[0] != stamp:
                known = [stamp, *_read(Path(path), package)]
                self._kept[module], self._fresh = known, True
            return known[1], known[2]
        return None

    def keep(self) -> None:
        """Writes what was found anew."""
        if self._fresh:
            cache.write(self._place, json.dumps(self._kept).encode())
            self._fresh = False


def _read(path: Path, package: str) -> tuple[str, list[str]]:
    """Digest and imports of one file."""
    tree = ast.parse(path.read_bytes())
    return hashlib.sha256(repr(_walk(tree)).encode()).hexdigest(), sorted(set(_imports(tree, package)))


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Every name that is imported anywhere in a module, also inside of functions, or named in a table of dotted paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.match(node.value):
            yield node.value.partition(":")[0]


def _walk(node: object) -> object:
    """A tree as nested lists that are the same under every Python: no positions, no empty fields, no bare strings (docstrings)."""
    if isinstance(node, ast.AST):
        fields = [(name, _walk(value)) for name, value in ast.iter_fields(node) if name not in _SKIPPED_FIELDS and value not in (None, [])]
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [_walk(item) for item in node if not _is_bare_string(item)]
    return node


def _is_bare_string(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Every installed distribution, by the names of the folders that describe them: importlib.metadata takes 40 times as long."""
    found: dict[str, str] = {}
    for entry in sys.path:
        try:
            names = os.listdir(entry or ".")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if dot and ending in {"dist-info", "egg-info"}:
                distribution, dash, version = stem.partition("-")
                if dash:
                    found.setdefault(normalised(distribution), version.partition("-py")[0])
    return found
