"""Settings of a script stage: any command."""

from pydantic import Field

from lading.config.userfile import FileField
from lading.frozen import Frozen


class ScriptSettings(Frozen):
    """A command that reads $LADING_INPUTS/<need>/ and writes $LADING_OUTPUT; measurements.json in there becomes measurements."""

    command: list[str] = Field(min_length=1)
    """Program and arguments; no shell. `python` is the one that runs lading."""
    files: list[FileField] = Field(default_factory=list)
    """Files of yours that lie in the command's working folder."""
    env: dict[str, str] = Field(default_factory=dict)
    """Its environment beyond the usual; never secrets."""
