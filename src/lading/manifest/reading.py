"""Reads documents of the store strictly: what is not exactly what its format promises is refused, and nothing of it is used."""

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from lading.errors import ManifestError, NewerFormatError
from lading.frozen import Frozen
from lading.manifest.model import MAX_BYTES
from lading.store.base import Store

MAX_DEPTH = 32
_SCHEMA = re.compile(r"^lading/([a-z-]+)/v(\d{1,6})$")

F = TypeVar("F", bound=Frozen)


def read_document(store: Store, key: str, *models: type[F], limit: int = MAX_BYTES) -> F:
    """The object as one of the models, chosen by its `schema`; reads no more than `limit` bytes.

    Raises:
        ManifestError: it is refused; the sentence says why.
        MissingObjectError: it is not there.
    """
    data = store.read(key, limit=limit + 1)
    return parse(data, *models, where=f"{key} in {store.uri}", limit=limit)


def parse(data: bytes, *models: type[F], where: str, limit: int = MAX_BYTES) -> F:
    """The bytes as one of the models: strict JSON, of a version that this lading knows."""
    if len(data) > limit:
        raise _refused(where, f"it is larger than {limit} bytes")
    value = _strict_json(data, where)
    model = _model_for(value, models, where)
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part)[:80] for part in first["loc"]) or "the document"
        raise _refused(where, f"{path}: {first['msg']}") from error


def check_version(data: bytes, *models: type[F], where: str) -> None:
    """For a document that could not be read: whether that is because a newer lading wrote it.

    Raises:
        NewerFormatError: it is.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        _refuse_newer(value.get("schema"), [model.model_fields["schema_"].default for model in models], where)


def refuse(where: str, why: str) -> NoReturn:
    """Ends the reading of a document that breaks a promise which its model alone can't see."""
    raise _refused(where, why)


def _refused(where: str, why: str, *, do: str = "") -> ManifestError:
    return ManifestError(
        f"{where} is refused: {why}", do=do or "lading doctor; `lading run --force STAGE` overrules a broken result and makes it again"
    )


def _strict_json(data: bytes, where: str) -> Any:
    """The JSON value.

    Raises:
        ManifestError: it is not UTF-8, not JSON, holds a name twice, a number that is none, or is nested too deeply.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_twice, parse_constant=_no_constant, parse_float=_finite)
        _check_depth(value)
    except UnicodeDecodeError as error:
        raise _refused(where, "it is not UTF-8") from error
    except RecursionError as error:
        raise _refused(where, f"it is nested deeper than {MAX_DEPTH}") from error
    except json.JSONDecodeError as error:
        raise _refused(where, f"it is not JSON ({error.msg} at byte {error.pos})") from error
    except ValueError as error:
        raise _refused(where, str(error)) from error
    return value


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; two readers could take different ones of two equal names, so there must not be two."""
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it holds the name {twice[:80]!r} twice in one object")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"it holds {text[:40]}, which no double can hold")
    return number


def _check_depth(value: Any) -> None:
    """Walks level by level, so that no input can exhaust the stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, dict | list) for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def _model_for(value: Any, models: tuple[type[F], ...], where: str) -> type[F]:
    """The model whose `schema` the document names."""
    if not isinstance(value, dict):
        raise _refused(where, "it is not an object")
    schema = value.get("schema")
    known = {model.model_fields["schema_"].default: model for model in models}
    if isinstance(schema, str):
        if schema in known:
            return known[schema]
        _refuse_newer(schema, known, where)
    raise _refused(where, f"its schema is {str(schema)[:80]!r}, and it should be {' or '.join(sorted(known))}")


def _refuse_newer(schema: Any, known: Iterable[str], where: str) -> None:
    found = _SCHEMA.match(schema) if isinstance(schema, str) else None
    if found and any(_is_newer(found, ours) for ours in known):
        raise NewerFormatError(
            f"{where} is refused: it was made by a newer lading ({schema})", do="upgrade lading here: pip install --upgrade lading"
        )


def _is_newer(found: re.Match[str], ours: str) -> bool:
    mine = _SCHEMA.match(ours)
    return mine is not None and mine[1] == found[1] and int(found[2]) > int(mine[2])
