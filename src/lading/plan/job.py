"""A stage that is ready to be run, as one value: what every backend takes and every stage entry reads."""

from typing import Any, Literal

from pydantic import Field

from lading.config.resources import Resources
from lading.frozen import Frozen
from lading.manifest.model import InputRef
from lading.names import AttemptId


class JobSpec(Frozen):
    """One attempt at one stage. It travels as JSON; it never holds a secret."""

    schema_: Literal["lading/job/v1"] = Field("lading/job/v1", alias="schema")
    run: str
    stage: str
    kind: str
    key: str
    attempt: int = Field(ge=1)
    nonce: str
    store: str
    """The store's URI, as the stage must see it."""
    settings: dict[str, Any]
    """The kind's settings, resolved: files of the user carry their sha256."""
    inputs: dict[str, InputRef] = Field(default_factory=dict)
    """Role to result."""
    outside: dict[str, str] = Field(default_factory=dict)
    """Setting that names outside data to the digest of its listing when this was planned: see `plan.outside.check`."""
    fingerprint: str
    """The code fingerprint that is in the key; the entry refuses (64) to work under another's."""
    resources: Resources

    @property
    def id(self) -> AttemptId:
        """The attempt's place in the store."""
        return AttemptId(self.kind, self.key, self.attempt)
