"""The learning rate and the optimizer: functions of the settings and of the step, so that neither needs a state of its own."""

import math

import torch
from torch import nn

from lading.config.settings.train import ScheduleSettings, TrainSettings


def rate(schedule: ScheduleSettings, step: int, steps: int) -> float:
    """The learning rate of a step (from 0), as a share of the highest."""
    warmup = int(schedule.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    match schedule.name:
        case "cosine":
            falling = (1 + math.cos(math.pi * done)) / 2
        case "linear":
            falling = 1 - done
        case _:
            return 1.0
    return schedule.floor + (1 - schedule.floor) * falling


def optimizer(settings: TrainSettings, module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer; weight decay falls on matrices alone."""
    decayed = [p for n, p in module.named_parameters() if p.requires_grad and p.ndim >= 2 and not n.endswith("positions")]
    chosen = {id(p) for p in decayed}
    others = [p for p in module.parameters() if p.requires_grad and id(p) not in chosen]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, fused=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
