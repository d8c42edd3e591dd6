"""A pipeline: named stages, what each needs, its settings, gates and resources. One whole run in one file."""

from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from lading.config.gate import Gate
from lading.config.kinds import KINDS, Kind
from lading.config.resources import Resources
from lading.frozen import Frozen
from lading.names import PLAIN_NAME

StageName = Annotated[str, Field(pattern=PLAIN_NAME)]


class Stage(Frozen):
    """One step, as it is after loading: kind known, needs by role, settings validated by the kind's model, defaults merged in."""

    name: StageName
    kind: str
    needs: dict[str, str] = Field(default_factory=dict)
    """Role to stage name."""
    settings: SerializeAsAny[Frozen]
    gates: dict[str, Gate] = Field(default_factory=dict)
    """Measurement to gate."""
    resources: Resources = Field(default_factory=Resources)
    from_: str | None = Field(None, alias="from")
    """`<kind>/<key>`: pinned to a result that exists."""
    outside: dict[str, str] = Field(default_factory=dict)
    """Setting that names data outside of the store to the digest of that data's listing; filled in when the pipeline is resolved."""

    @field_validator("settings", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Settings that come as data, from a plan.json, are read by the kind's own model."""
        known = KINDS.get(info.data.get("kind", ""))
        return known.settings_model().model_validate(value) if known and isinstance(value, dict) and value else value

    @property
    def table(self) -> Kind:
        """The kind's line in the table."""
        return KINDS[self.kind]


class Pipeline(Frozen):
    """What `load` gives and `plan` takes."""

    pipeline: Annotated[str, Field(pattern=PLAIN_NAME)]
    """Its name."""
    store: str | None = None
    stages: dict[str, Stage]
    """In an order in which every stage comes after its needs."""
    folder: str = "."
    """The folder of the pipeline file: relative paths of user files start there. Empty once resolved."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """What --set changed: recorded in the run."""
    kubernetes: dict[str, Any] = Field(default_factory=dict)
    """Where pods run: see `config/cluster`."""
    retrain: dict[str, Any] = Field(default_factory=dict)
    """When to train again: see `config/retrain`."""
