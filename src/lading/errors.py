"""The error tree: one base; each class knows the exit code of the command and the code of a stage that it ends."""

from collections.abc import Sequence
from typing import ClassVar

from lading.codes import Code, Exit


class LadingError(Exception):
    """What went wrong, in a sentence for a person; `do` is the next command or act that helps.

    Args:
        message: what happened, where and why.
        do: what to do next, shown on a line of its own.
    """

    exit: ClassVar[Exit] = Exit.STAGE_FAILED
    code: ClassVar[Code] = Code.FAILED

    def __init__(self, message: str, *, do: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.do = do

    def __str__(self) -> str:
        return f"{self.message}\n  {self.do}" if self.do else self.message


class UserError(LadingError):
    """Something that the user wrote or asked for can't be."""

    exit = Exit.USAGE
    code = Code.WRONG_INPUT


class ConfigError(UserError):
    """A pipeline file is wrong: all that is wrong with it at once, one sentence each."""

    def __init__(self, problems: Sequence[str], *, do: str = "") -> None:
        super().__init__("\n".join(problems), do=do)
        self.problems = tuple(problems)


class NotFoundError(UserError):
    """A run, a stage, an artifact or a file that was named is not there."""


class NoSuchStageError(NotFoundError, KeyError):
    """A run has no stage of this name; a KeyError too, since a run is a mapping of its stages."""


class StoreError(LadingError):
    """The store is out of reach, refuses, or is not honest about conditions."""

    exit = Exit.UNREACHABLE
    code = Code.STORE_UNREACHABLE


class MissingObjectError(StoreError):
    """The store has no object under this key."""


class StoreMissingError(StoreError):
    """The server is there, and the bucket that was named is not."""

    exit = Exit.USAGE
    code = Code.WRONG_INPUT


class StoreFullError(StoreError):
    """No space (or quota) is left where the store keeps its bytes."""


class StoreDeniedError(StoreError):
    """The store exists, and this identity may not do this with it."""

    exit = Exit.USAGE
    code = Code.WRONG_INPUT


class ClusterError(LadingError):
    """The cluster is out of reach, or refuses."""

    exit = Exit.UNREACHABLE


class LauncherGoneError(LadingError):
    """Nobody drives the run that was waited for."""

    exit = Exit.UNREACHABLE


class ManifestError(LadingError):
    """A document in the store is not what its format promises; it is refused, and nothing of it is used."""

    code = Code.WRONG_INPUT


class NewerFormatError(ManifestError):
    """A document of a version that only a newer lading knows: it is sound, so nobody older may overrule it."""

    exit = Exit.USAGE


class DamagedInputError(LadingError):
    """An artifact does not have the bytes that its manifest promises, after a second download."""

    code = Code.DAMAGED_INPUT

    def __init__(self, message: str, *, need: str, artifact: str, do: str = "") -> None:
        super().__init__(message, do=do)
        self.need = need
        self.artifact = artifact


class WrongInputError(UserError):
    """A stage's settings or inputs are wrong in a way that only running it could show."""


class CannotRunHereError(LadingError):
    """This machine can't run the stage."""

    code = Code.CANNOT_RUN_HERE


class StoppedError(LadingError):
    """The stage was asked to stop (SIGTERM) and has saved its state: a training raises this after its last checkpoint."""

    code = Code.STOPPED


class StageFailedError(LadingError):
    """A stage of a run failed; raised by the library's `run()`, shown by the command as the end of the run."""


class GateFailedError(LadingError):
    """A `must` gate of a run does not hold."""

    exit = Exit.GATE_FAILED


class CancelledError(LadingError):
    """The run was cancelled."""

    exit = Exit.INTERRUPTED
