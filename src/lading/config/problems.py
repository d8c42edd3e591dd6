"""Says what is wrong with a pipeline as a person would: where, with what value, and what would be right."""

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Discriminator, Tag, ValidationError
from pydantic_core import ErrorDetails

from lading.config.yamltext import Marked, Path
from lading.errors import ConfigError

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": 'text (in quotes, if it looks like a number: "3")',
    "bool": "true or false",
    "list": "a list, such as [a, b]",
    "tuple": "a list, such as [a, b]",
    "dict": "a map of names and values",
    "model": "a map of names and values",
    "finite": "a finite number",
}


class Problems:
    """Collects what is wrong, each with the line of the file (or the --set) that it comes from.

    Args:
        source: the file's name.
        marked: the document, with what is wrong with it as one.
    """

    def __init__(self, source: str, marked: Marked) -> None:
        self.source = source
        self.lines = marked.lines
        self.lost = marked.lost
        self.overrides: Mapping[Path, str] = {}
        self._found: list[tuple[int, int, str]] = [(line, number, text) for number, (line, text) in enumerate(marked.problems)]

    def add_override(self, sentence: str) -> None:
        """Notes what is wrong with a --set itself."""
        self._found.append((0, len(self._found), sentence))

    def add(self, path: Path, sentence: str, *, secret: bool = False) -> None:
        """Notes a problem at a path; where the file gave no value at all, that was noted already. A secret's value is not repeated."""
        if any(path[: len(lost)] == lost for lost in self.lost):
            return
        line = next((found for end in range(len(path), 0, -1) if (found := self.lines.get(path[:end]))), 0)
        asked = next((text for place, text in self.overrides.items() if place[: len(path)] == path or path[: len(place)] == place), None)
        asked = asked.partition("=")[0] if asked and secret else asked
        where = f"--set {asked}" if asked else f"{self.source}:{line}" if line else self.source
        text = f"{where}: {dotted(path)}{': ' if path else ''}{sentence}"
        if all(text != known for _, _, known in self._found):
            self._found.append((line, len(self._found), text))

    def add_all(self, error: ValidationError, model: type[BaseModel], data: Any, path: Path) -> None:
        """Notes everything that a model says about its data, which stands at a path."""
        for detail in error.errors(include_url=False):
            place = _place(detail["loc"], data)
            self.add((*path, *place), sentence(detail, model))

    def __bool__(self) -> bool:
        return bool(self._found)

    def stop(self) -> None:
        """Ends the loading if there was a problem.

        Raises:
            ConfigError: all of them, in the order of their lines.
        """
        if self._found:
            raise ConfigError([text for _, _, text in sorted(self._found)])


def dotted(path: Path) -> str:
    """`stages.train.settings.lengths[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'epochs'?`, or the names to choose from, or nothing."""
    names = sorted(known)
    if close := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    return f"; choose from {', '.join(names)}" if names else ""


def shown(value: Any) -> str:
    """A value as it may stand in a sentence."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = {None: "nothing", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else None
    return text or (repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "...")


def sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What one error of a model means, and what would be right."""
    sort, context, value = detail["type"], detail.get("ctx", {}), detail.get("input")
    if sort == "extra_forbidden":
        word = str(detail["loc"][-1])
        return f"there is no such key{nearest(word, _fields(model, detail['loc'][:-1]))}"
    if sort == "missing":
        return "it is missing, and there is no default"
    said = f"value {shown(value)}: " if not isinstance(value, Mapping) else ""
    if sort in {"value_error", "assertion_error"}:
        return f"{said}{context.get('error', detail['msg'])}"
    if sort == "union_tag_invalid":
        tags = str(context.get("expected_tags", "")).replace("'", "").split(", ")
        return f"there is no {context.get('tag')!r}{nearest(str(context.get('tag')), tags)}"
    if sort == "literal_error":
        options = [part.strip("'") for part in str(context.get("expected", "")).replace(" or ", ", ").split(", ")]
        return f"{said}it should be one of {', '.join(options)}" + _meant(value, options)
    if sort == "string_pattern_mismatch":
        return f"{said}it should match {context.get('pattern')}"
    stem = sort.split("_")[0]
    if stem in _KINDS and sort.endswith(("_type", "_parsing", "_from_float", "_number", "_attributes_type")):
        return f"{said}it should be {_KINDS[stem]}"
    text = detail["msg"].removeprefix("Input ").removeprefix("Value ")
    if sort == "too_short" and context.get("actual_length") == 0:
        said, text = "", f"it is empty, and should have at least {context['min_length']}"
    return f"{said}it {text}" if text.startswith("should") else f"{said}{text}"


def _meant(value: Any, options: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, options, n=1, cutoff=0.6) if isinstance(value, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _place(location: Sequence[str | int], data: Any) -> Path:
    """The path in the data: pydantic's location without the names of unions' branches that it puts between."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(data, Mapping) and (part in data or last):
            path.append(part)
            data = data.get(part)
        elif isinstance(data, list | tuple) and isinstance(part, int):
            path.append(part)
            data = data[part] if part < len(data) else None
    return tuple(path)


def _fields(model: Any, location: Sequence[str | int]) -> list[str]:
    """The keys that are known at a location of a model."""
    for part in location:
        model = _step(model, part)
    model = _plain(model)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items() if not name.startswith("sha256")]
    return []


def _plain(kind: Any) -> Any:
    """A type without Annotated and `| None`."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    return _plain(members[0]) if len(members) == 1 and type(None) in typing.get_args(kind) else kind


def _step(kind: Any, part: str | int) -> Any:
    """The type one step deeper."""
    kind = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                return typing.Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        return None
    for member in typing.get_args(kind):
        tags = [extra.tag for extra in typing.get_args(member)[1:] if isinstance(extra, Tag)]
        if part in tags:
            return member
    arguments = [argument for argument in typing.get_args(kind) if argument is not ... and not isinstance(argument, Discriminator)]
    return arguments[-1] if arguments else None
