"""The decision: launch, wait or do nothing; pure: the same facts give the same decision."""

from typing import Literal

from lading.config.retrain import Retrain
from lading.frozen import Frozen
from lading.retrain.triggers import TRIGGERS, Facts, Fired

Act = Literal["launch", "wait", "nothing"]


class Decided(Frozen):
    """What follows from the facts."""

    act: Act
    why: str
    """A sentence for a person."""
    fired: tuple[Fired, ...]

    def due(self, trigger: str) -> bool:
        """Whether a trigger was due."""
        return any(fired.due and fired.trigger == trigger for fired in self.fired)


def decide(retrain: Retrain, facts: Facts) -> Decided:
    """Launches when a trigger is due, unless a run of the pipeline goes on (wait for it) or one of this check failed a short while ago
    (cool down)."""
    fired = tuple(said for trigger in TRIGGERS.values() if (said := trigger(retrain, facts)) is not None)
    last = facts.last
    if last is not None and last.state == "live":
        return Decided(act="wait", why=f"run {last.run} of this check has not ended yet", fired=fired)
    if last is not None and last.state != "succeeded":
        left = retrain.cooldown - (facts.now - (last.ended if last.ended is not None else last.decided))
        if left > 0:
            why = f"run {last.run} of this check ended as {last.state}; cooling down for {left:.0f} s more"
            return Decided(act="wait", why=why, fired=fired)
    due = [said for said in fired if said.due]
    if due and facts.beside is not None:
        return Decided(act="wait", why=f"run {facts.beside} of this pipeline, which somebody else started, goes on", fired=fired)
    if due:
        return Decided(act="launch", why="; ".join(said.why for said in due), fired=fired)
    return Decided(act="nothing", why="no trigger is due: " + "; ".join(said.why for said in fired), fired=fired)
