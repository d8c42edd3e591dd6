"""Where a stage runs and what it may use. Nothing here is ever in a key, but an image that is named by digest."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lading.frozen import Frozen

_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def bytes_of(quantity: str) -> int:
    """A Kubernetes quantity of memory (`4Gi`) in bytes.

    Raises:
        ValueError: it is none.
    """
    match = _QUANTITY.match(quantity)
    if match is None or match[2] == "m":
        raise ValueError(f"{quantity!r} is not an amount of memory; write one such as 4Gi or 500Mi")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def _memory(text: str) -> str:
    bytes_of(text)
    return text


Memory = Annotated[str, AfterValidator(_memory)]


class Resources(Frozen):
    """`defaults:` and each stage hold these fields side by side with their others."""

    cpu: float = Field(1, gt=0)
    """Cores of one pod or process; the stage's threads follow from it, shared among its `devices`."""
    memory: Memory = "2Gi"
    """Of one pod; a limit in a cluster, a plan on a laptop."""
    gpus: int = Field(0, ge=0)
    """GPUs of one pod (`nvidia.com/gpu`)."""
    nodes: int = Field(1, ge=1, le=1024)
    """Pods (or, locally, groups of processes) of one training."""
    devices: int = Field(1, ge=1, le=64)
    """Processes of a training on each node: one a GPU, or one on a CPU."""
    retries: int = Field(0, ge=0, le=100)
    """How often a failure of the stage's own (70) is tried again; a process that is killed in mid-training is resumed anyway, while it
    gets further each time."""
    deadline_s: float | None = Field(None, gt=0)
    """An attempt that takes longer is stopped and has failed."""
    grace_s: float = Field(30, ge=1)
    """Between SIGTERM and SIGKILL."""
    shm: Memory = "1Gi"
    """Size of /dev/shm in a pod."""
    scratch: Memory = "10Gi"
    """Size of a pod's scratch folder."""
    image: str | None = None
    """A container image of the user's own; named by digest, it is in the key."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of the stage's process; never secrets: those come by `kubernetes.env_from_secrets`."""
    runner: Literal["macos", "any"] | None = None
    """Offer the stage to a machine that pulls work, instead of starting it."""
    runner_wait_s: float = Field(24 * 3600, gt=0)
    """How long an offered attempt may wait for a runner."""
    rendezvous_timeout_s: float = Field(600, gt=0)
    """How long the pods of one training wait for each other."""
