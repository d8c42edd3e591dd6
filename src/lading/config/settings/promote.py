"""What a promote stage is set by: which model's champion the bundle becomes, and under which alias."""

from typing import Annotated

from pydantic import Field

from lading.frozen import Frozen

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class PromoteSettings(Frozen):
    """Settings of a promote stage."""

    model: Name
    """Whose champion it becomes."""
    alias: Name = "production"
    """What for: production, staging."""
    reason: str = Field("", max_length=1000)
    """For the history; read by people."""
