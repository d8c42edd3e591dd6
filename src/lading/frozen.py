"""The base of every model that is read from a file or from the store: frozen, and strict about unknown keys."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from lading.canonical import canonical_json


class Frozen(BaseModel):
    """An immutable value; unknown keys are errors; NaN and infinities are refused. Built when first used: most commands use few."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), defer_build=True)

    def to_data(self) -> dict[str, Any]:
        """The value as JSON data, defaults included."""
        return self.model_dump(mode="json", by_alias=True)

    def to_bytes(self) -> bytes:
        """The value as canonical JSON."""
        return canonical_json(self.to_data())

    def but(self, **changes: Any) -> Self:
        """The same value with some fields changed."""
        return self.model_copy(update=changes)


def build_all() -> None:
    """Builds every model that is imported: for a process from which others are forked."""
    todo: list[type[Frozen]] = [Frozen]
    while todo:
        model = todo.pop()
        model.model_rebuild()
        todo += model.__subclasses__()
