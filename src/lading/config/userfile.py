"""A file of the user that a pipeline names: stored by its digest, so that the digest is in the key and the path is not trusted."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BeforeValidator, Field

from lading.frozen import Frozen


class UserFile(Frozen):
    """`count.py` as the user writes it; with its sha256 once the pipeline is resolved."""

    path: str = Field(min_length=1)
    """As written, relative to the pipeline's folder."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Of its bytes, which lie in the store under files/<sha256>; None until resolved."""

    @property
    def name(self) -> str:
        """Where it lies below the stage's working folder: its path if that stays below, else its bare name."""
        path = PurePosixPath(self.path)
        return path.name if path.is_absolute() or ".." in path.parts else str(path)


def _from_text(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


FileField = Annotated[UserFile, BeforeValidator(_from_text)]
"""A field that takes `count.py` or `{path: count.py, sha256: ...}`."""
