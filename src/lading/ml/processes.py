"""The processes of one training: who this one is (from torchrun's environment), and how they share what they found."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy

from lading.config.settings.train import TrainSettings
from lading.errors import WrongInputError
from lading.ml.data import Array

COLLECTIVE_TIMEOUT = timedelta(minutes=5)
"""How long a process waits for its peers in one collective: then it is a lost peer."""
PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp64": "64-true"}


@dataclass(frozen=True, slots=True)
class Team:
    """This process among its peers."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def node(self) -> int:
        """The pod that this process is in."""
        return self.rank // self.local_world

    @property
    def first(self) -> bool:
        """Whether it is the one that writes artifacts."""
        return self.rank == 0


def team(environ: Mapping[str, str] = os.environ) -> Team:
    """Who this process is; alone unless torchrun started it."""
    return Team(
        rank=int(environ.get("RANK", "0")),
        world=int(environ.get("WORLD_SIZE", "1")),
        local_rank=int(environ.get("LOCAL_RANK", "0")),
        local_world=int(environ.get("LOCAL_WORLD_SIZE", "1")),
    )


def fabric_for(settings: TrainSettings, mates: Team) -> Fabric:
    """Lightning's Fabric for this process: device, precision and the way in which gradients are averaged."""
    if mates.world > settings.global_batch_size:
        raise WrongInputError(
            f"{mates.world} processes can't share a global batch of {settings.global_batch_size}",
            do="raise global_batch_size, or lower nodes and devices",
        )
    gpus = torch.cuda.is_available()
    strategy: Any = "auto"
    if mates.world > 1:
        strategy = DDPStrategy(process_group_backend="nccl" if gpus else "gloo", timeout=COLLECTIVE_TIMEOUT)
    fabric = Fabric(
        accelerator="cuda" if gpus else "cpu",
        devices=mates.local_world,
        num_nodes=mates.world // mates.local_world,
        strategy=strategy,
        precision=PRECISIONS[settings.precision],
    )
    fabric.launch()
    return fabric


def together(mates: Team, mine: dict[str, Array]) -> dict[str, Array]:
    """Every process's rows, joined in the order of ranks; the same on all of them."""
    if mates.world == 1:
        return mine
    everyone: list[Any] = [None] * mates.world
    torch.distributed.all_gather_object(everyone, mine)
    return {name: np.concatenate([one[name] for one in everyone]) for name in mine}


def anyone(mates: Team, flag: bool) -> bool:
    """Whether the flag is up in any process."""
    if mates.world == 1:
        return flag
    value = torch.tensor([int(flag)], device="cuda" if torch.distributed.get_backend() == "nccl" else "cpu")
    torch.distributed.all_reduce(value, op=torch.distributed.ReduceOp.MAX)
    return bool(value.item())


def part_ways(mates: Team) -> None:
    """Ends the processes' connections together: a peer that is gone first would abort those who still hold one (SIGABRT in gloo)."""
    if mates.world > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def from_first(mates: Team, value: Any) -> Any:
    """The first process's value, in all of them."""
    if mates.world == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]
