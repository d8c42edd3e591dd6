"""What a runner takes: platforms, kinds, and why it leaves a ticket to others."""

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from lading.attempt.tickets import Ticket
from lading.codes import Exit
from lading.config.kinds import KINDS
from lading.errors import CannotRunHereError, UserError
from lading.manifest.reading import check_version
from lading.names import AttemptId
from lading.plan.fingerprint import fingerprint
from lading.plan.job import JobSpec

DEFAULT_KINDS = ("convert", "verify")
PLATFORMS = ("macos", "any")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class WrongMachineError(CannotRunHereError):
    """A platform was asked for that this machine is not."""

    exit = Exit.USAGE


class RefusedError(UserError):
    """A ticket that this runner leaves to others; the message says why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one runner takes."""

    platforms: tuple[str, ...]
    kinds: tuple[str, ...]
    fingerprint: Callable[[str], str] = fingerprint
    system: str = sys.platform

    def accept(self, ticket: Ticket, *, store: str) -> JobSpec:
        """The job of a ticket that this runner may take, with the store as it is seen from here.

        Raises:
            RefusedError: it is for others.
            NewerFormatError: a newer lading wrote the job.
        """
        self.check_place(ticket.platform, ticket.id)
        try:
            job = JobSpec.model_validate(ticket.job)
        except ValidationError as error:
            check_version(json.dumps(ticket.job).encode(), JobSpec, where="its job")
            first = error.errors()[0]
            raise RefusedError(f"its job can't be read: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if job.id != ticket.id:
            raise RefusedError(f"its job is for attempt {job.attempt} of {job.kind}/{job.key[:12]}")
        if (own := self.fingerprint(job.kind)) != job.fingerprint:
            raise RefusedError(
                f"the code here ({own[:12]}) is not the code that this {job.kind} was planned with ({job.fingerprint[:12]}): "
                "install the same version of lading and of its libraries here"
            )
        return job.but(store=store)

    def check_place(self, platform: str, attempt: AttemptId) -> None:
        """What can be said of a ticket by its name alone.

        Raises:
            RefusedError: it is for others.
        """
        if platform == "macos" and self.system != "darwin":
            raise RefusedError(f"it is for macOS, and this machine runs {self.system}")
        if attempt.kind not in self.kinds:
            asked = "--allow-script" if attempt.kind == "script" else f"--kinds {','.join([*self.kinds, attempt.kind])}"
            raise RefusedError(f"it takes {', '.join(self.kinds)} alone; {attempt.kind} with {asked}")


def make(*, platforms: Iterable[str], kinds: Iterable[str], allow_script: bool, system: str = sys.platform) -> Rules:
    """The rules that a command line asks for.

    Raises:
        UserError: a kind or platform that there is not, or scripts without a word that they may run.
        WrongMachineError: a platform that this machine is not.
    """
    wanted = tuple(dict.fromkeys(platforms)) or (("macos",) if system == "darwin" else ("any",))
    for platform in wanted:
        if platform not in PLATFORMS:
            raise UserError(f"there is no platform {platform!r}", do=f"--platform {' or '.join(PLATFORMS)}")
        if platform == "macos" and system != "darwin":
            raise WrongMachineError(
                f"this machine runs {system}, and what waits for a macos runner needs macOS (code 78)",
                do="start the runner on a Mac; here: lading runner --platform any",
            )
    chosen = tuple(dict.fromkeys([*kinds, *(["script"] if allow_script else [])]))
    for kind in chosen:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, n=1)
            raise UserError(f"there is no kind {kind!r}", do=f"did you mean {near[0]!r}?" if near else f"there is: {', '.join(KINDS)}")
        if kind == "script" and not allow_script:
            raise UserError(
                "a script stage runs any command that a pipeline names, and this runner was not told that it may",
                do="--allow-script, if you trust everybody who may write to this store",
            )
    if not chosen:
        raise UserError("a runner that takes no kind has nothing to do", do=f"--kinds {','.join(DEFAULT_KINDS)}")
    return Rules(wanted, chosen, system=system)


def check_name(name: str) -> str:
    """A runner's name, if it can be one in the store.

    Raises:
        UserError: it can't.
    """
    if not _NAME.match(name):
        raise UserError(f"{name[:80]!r} can't be a runner's name", do="use letters, digits, '.', '_' and '-', at most 100 of them")
    return name
