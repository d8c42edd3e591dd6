"""YAML as pipelines use it: the safe subset of 1.2, each value with its line; a key that is there twice is an error."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from lading.errors import ConfigError

Path = tuple[str | int, ...]
MAX_VALUES = 100_000
"""More values than this are no pipeline, but aliases of aliases."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes only. `no` and `on` are words, `1e-3` is a number, and dates are words, as in YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way of setting it


_SCALARS: dict[str, tuple[str, str]] = {
    "null": (r"^(?:~|null|Null|NULL|)$", "~nN"),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "int": (r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+.0123456789",
    ),
    "merge": (r"^<<$", "<"),
}
for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), [*_first, ""] if _name == "null" else list(_first))


@dataclass(slots=True)
class Marked:
    """A document's value, and the line of every key and item in it."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line and sentence of what is wrong with it as a document, such as a key that is there twice; the first of them counts."""
    lost: set[Path] = field(default_factory=set)
    """Where a value could not be had: nothing more is to be said about it."""


def parse(text: str, source: str) -> Marked:
    """The one document of a text.

    Keys that are there twice, and the like, are left in `problems` for whoever says everything else that is wrong.

    Raises:
        ConfigError: it is not YAML.
    """
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        told = "a tab can't indent; use spaces" if mark and text[mark.index : mark.index + 1] == "\t" else error.problem or error.context
        raise ConfigError([f"{source}{line}: this is not YAML: {told}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([f"{source}: this is not YAML: {str(error).splitlines()[0]}"]) from error
    build = _Build(source)
    try:
        value = build.value(node, ()) if node is not None else None
    except RecursionError as error:
        raise ConfigError([f"{source}: it is nested too deeply"]) from error
    return Marked(value, build.lines, build.problems, build.lost)


def scalar(text: str) -> Any:
    """A value as it would be read behind a colon in a file: `3` is a number, `[a, b]` a list.

    Raises:
        ConfigError: it is not YAML, or no plain value.
    """
    marked = parse(text, "<value>")
    if marked.problems:
        raise ConfigError([sentence for _, sentence in sorted(marked.problems)])
    return marked.value


class _Build:
    """Turns nodes into values."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.problems: list[tuple[int, str]] = []
        self.lost: set[Path] = set()
        self._open: set[int] = set()
        self._count = 0

    def problem(self, node: yaml.Node, path: Path, sentence: str, *, kept: bool = False) -> None:
        """Notes what is wrong at a node; unless a value of it is kept, nothing else is said about it."""
        if not kept:
            self.lost.add(path)
        line = node.start_mark.line + 1
        where = ".".join(map(str, path))
        self.problems.append((line, f"{self.source}:{line}: {where + ': ' if where else ''}{sentence}"))

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The value of a node."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise ConfigError([f"{self.source}: it holds more than {MAX_VALUES:,} values once its aliases (*name) are followed"])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in {_TAG + "seq", _TAG + "map"}:
            self.problem(node, path, f"the tag {node.tag[:60]} is not for pipelines; write a plain value")
            return None
        if id(node) in self._open:
            self.problem(node, path, "an alias (*name) stands inside of what it names")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return self._items(node, path)
            assert isinstance(node, yaml.MappingNode)
            return self._pairs(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = node.value
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                try:
                    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
                except ValueError:
                    self.problem(node, path, f"{text[:40]!r} is no whole number that a computer can hold")
                    return 0
            case "float":
                return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.lower()))
            case "str" | "merge":
                return text
        self.problem(node, path, f"the tag {node.tag[:60]} is not for pipelines; write a plain value")
        return None

    def _items(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        items = []
        for index, child in enumerate(node.value):
            self.lines[(*path, index)] = child.start_mark.line + 1
            items.append(self.value(child, (*path, index)))
        return items

    def _pairs(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        own: dict[str, int] = {}
        for key_node, child in node.value:
            if key_node.tag == _MERGE:
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key_node.tag == _TAG + "null":
                self.problem(key_node, path, "a key here is not a word", kept=True)
                continue
            line = key_node.start_mark.line + 1
            if key in own:
                self.problem(key_node, (*path, key), f"the key is here twice (first in line {own[key]}); keep one", kept=True)
                continue
            own[key] = line
            self.lines[(*path, key)] = line
            pairs[key] = self.value(child, (*path, key))
        return {**self._merged(node, path, set(pairs)), **pairs}

    def _merged(self, node: yaml.MappingNode, path: Path, taken: set[str]) -> dict[str, Any]:
        """What `<<: *name` brings, below what is written here."""
        merged: dict[str, Any] = {}
        for key, child in node.value:
            if key.tag != _MERGE:
                continue
            for part in child.value if isinstance(child, yaml.SequenceNode) else [child]:
                if not isinstance(part, yaml.MappingNode):
                    self.problem(key, path, "<< takes an alias of a map, or a list of them", kept=True)
                    continue
                before = dict(self.lines)
                value = self.value(part, path)
                self.lines.update(
                    {place: line for place, line in before.items() if place[len(path) : len(path) + 1] and place[len(path)] in taken}
                )
                merged = {**value, **merged}
        return merged
