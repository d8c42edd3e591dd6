"""What an attempt leaves in the store: its claim, its progress, how each pod ended, and the verdict."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from lading.codes import Code
from lading.frozen import Frozen


class Holder(Frozen):
    """Who holds a claim: a process on a host, a Job in a cluster, or a runner to come."""

    backend: Literal["local", "kubernetes", "runner"]
    host: str = ""
    """Host name and boot id of the machine, for `local`."""
    pid: int = 0
    pid_started: str = ""
    """The process's start time as its own system counts it: a pid alone may be another's by now."""
    cluster: str = ""
    """For `kubernetes`: what all who talk to that namespace of that cluster call it."""
    namespace: str = ""
    job: str = ""
    platform: str = ""
    """`macos` or `any`, for `runner`."""


class Claim(Frozen):
    """One numbered try at a key; written if absent, before anything of it starts."""

    schema_: Literal["lading/claim/v1"] = Field("lading/claim/v1", alias="schema")
    kind: str
    key: str
    n: int = Field(ge=1)
    nonce: str
    run: str
    stage: str
    holder: Holder
    pods: int = Field(1, ge=1)
    """How many pods (or processes) will each leave an outcome."""
    resources: dict[str, str | int | float | None] = Field(default_factory=dict)


class Progress(Frozen):
    """How far one pod is; rewritten at least every 10 s by its one writer, so it is the heartbeat too."""

    schema_: Literal["lading/progress/v1"] = Field("lading/progress/v1", alias="schema")
    beat: int
    """Counts up with each write."""
    state: Literal["receiving", "running", "uploading", "committing"] = "receiving"
    percent: float | None = None
    """0 to 100."""
    eta_s: float | None = None
    step: int | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    peak_memory: int | None = None
    """Bytes, of the supervisor and all below it."""
    checkpoint: int | None = None
    """The step of the last training state that this pod stored."""


class Cause(StrEnum):
    """Why an attempt ended; the order of the members is the order in which they speak for all pods."""

    CANCELLED = "cancelled"
    """A launcher stopped it because nobody waits for it any more: what its pods say then follows from that."""
    DEADLINE = "deadline"
    """It was stopped because it took too long."""
    DISRUPTED = "disrupted"
    """Evicted, preempted, its node or machine went away."""
    OUT_OF_MEMORY = "out_of_memory"
    WRONG_INPUT = "wrong_input"
    DAMAGED_INPUT = "damaged_input"
    CANNOT_RUN_HERE = "cannot_run_here"
    NO_SPACE = "no_space"
    """The store, or the disk where the stage works, is full: the same again would end the same."""
    STORE = "store"
    FAILED = "failed"
    """70 raised outside torch.distributed: the user's own, or lading's."""
    KILLED = "killed"
    """The stage's process was ended by a signal, or ended without a word; an exception of another pod's says more."""
    FAILED_IN_COLLECTIVE = "failed_in_collective"
    PEER_LOST = "peer_lost"
    STOPPED = "stopped"
    LOST = "lost"
    """No heartbeat for too long, and nobody there to ask."""


CAUSE_OF: dict[Code, Cause] = {
    Code.WRONG_INPUT: Cause.WRONG_INPUT,
    Code.DAMAGED_INPUT: Cause.DAMAGED_INPUT,
    Code.STORE_UNREACHABLE: Cause.STORE,
    Code.FAILED: Cause.FAILED,
    Code.STOPPED: Cause.STOPPED,
    Code.PEER_LOST: Cause.PEER_LOST,
    Code.CANNOT_RUN_HERE: Cause.CANNOT_RUN_HERE,
}
"""What a code means where nothing more is known."""
RANK: dict[Cause, int] = {cause: rank for rank, cause in enumerate(Cause)}
"""The order in which causes speak: the lowest first."""


class Outcome(Frozen):
    """How one pod or process ended, said by its supervisor (or by the launcher, for a pod that could not)."""

    schema_: Literal["lading/outcome/v1"] = Field("lading/outcome/v1", alias="schema")
    code: Code
    cause: Cause | None = None
    """None when the code is 0."""
    message: str = ""
    """One sentence for a person."""
    where: str = ""
    """The last frame in the user's code, or in lading's where there is none: `file.py:12 in function`."""
    traceback: str = ""
    """The tail of the traceback, secrets masked."""
    need: str | None = None
    artifact: str | None = None
    """The damaged need and artifact, for 65."""
    peak_memory: int | None = None
    """Bytes."""
    seconds: float = 0.0


Retry = Literal["at_once", "backoff", "never"]


class Verdict(Frozen):
    """How an attempt ended, judged once from its outcomes; written if absent by whichever launcher sees it first."""

    schema_: Literal["lading/verdict/v1"] = Field("lading/verdict/v1", alias="schema")
    code: Code
    cause: Cause
    retry: Retry
    charged: bool
    """Whether it counts against the stage's `retries`."""
    message: str
    do: str = ""
    where: str = ""
    traceback: str = ""
    pod: str = "0"
    """Whose outcome speaks."""
    need: str | None = None
    artifact: str | None = None
    nonce: str
    by: str
    """The run whose launcher judged."""
