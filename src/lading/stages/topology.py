"""How the processes of one training are started: one worker, or torchrun over several."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lading.config.kinds import KINDS
from lading.plan.job import JobSpec


def pods(job: JobSpec) -> int:
    """How many supervisors work on one attempt."""
    return job.resources.nodes if KINDS[job.kind].distributed else 1


def processes(job: JobSpec) -> int:
    """How many processes of the stage there are in all."""
    return pods(job) * job.resources.devices if KINDS[job.kind].distributed else 1


def command(job: JobSpec, work: Path, *, pod: int = 0, master: str = "") -> Sequence[str] | None:
    """The command of this pod's child; None for a single worker, which needs no launcher.

    Args:
        job: the attempt.
        work: the working folder.
        pod: this node's rank.
        master: `host:port` of rank 0, for several nodes.
    """
    if processes(job) == 1:
        return None
    nodes = job.resources.nodes
    rendezvous = ["--standalone"] if nodes == 1 else _rendezvous(job, pod, master)
    return [
        sys.executable,
        "-m",
        "lading.stages.agent",
        f"--nnodes={nodes}",
        f"--nproc-per-node={job.resources.devices}",
        "--max-restarts=0",
        f"--shutdown-timeout={max(1, int(job.resources.grace_s * 0.6))}",
        *rendezvous,
        "-m",
        "lading.stages.worker",
        str(work),
    ]


def _rendezvous(job: JobSpec, pod: int, master: str) -> list[str]:
    host, _, port = master.partition(":")
    return [
        f"--node-rank={pod}",
        f"--master-addr={host}",
        f"--master-port={port or 29500}",
        f"--rdzv-conf=timeout={int(job.resources.rendezvous_timeout_s)}",
    ]
