"""A file of the user's own that a pipeline names: by path as it is written, with its digest once it is resolved."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from lading.frozen import Frozen


class UserFile(Frozen):
    """Written as a path; `lading resolve` adds the digest and stores the bytes as `files/<sha256>`."""

    path: str = Field(min_length=1)
    """Relative to the pipeline's folder; in a stage, relative to the folder that holds the user's files."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Filled in when the pipeline is resolved; it is what the key sees."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value
