"""How long a run is waited for whose launcher is not heard of, and the command that goes on with it."""

import json
from typing import Any, cast

from lading.attempt.observe import STALE_S, attempts
from lading.config.commands import follow_up
from lading.config.yamltext import scalar
from lading.errors import ConfigError, MissingObjectError
from lading.launch.context import is_gone
from lading.launch.record import PlanRecord, RunProgress
from lading.ledger.silence import LIVE_S, interrupted, silent_s
from lading.names import AttemptId, RunPlaces
from lading.store.base import Store, Upkeep

COMES_BACK_S = 600.0
"""What is silent for so long does not come back by itself: a Job waits up to 6 minutes before it starts its launcher's pod again, or until
a node that is lost lets the pod go."""


def is_left(store: Store, run: str) -> bool:
    """Whether nobody drives a run without an end: its launcher was a process of this machine that has ended, or is silent for too long."""
    silence = silent_s(store, run)
    return silence >= COMES_BACK_S or (silence >= LIVE_S and launcher_is_gone(store, run))


def why_left(store: Store, plan: PlanRecord) -> str:
    """Of a run without an end whose launcher is not heard of: why, and the commands that go on with it or end it; else empty."""
    why = interrupted(store, plan.run)
    return f"{why}; nobody drives it now: {ways_on(plan, store.uri)}" if why else ""


def ways_on(plan: PlanRecord, store: str) -> str:
    """The commands that go on with a run that nobody drives, or end it."""
    going = f"{again(plan, store)} goes on with it, where FILE is the file of pipeline {plan.pipeline.pipeline}"
    return f"{going}; {follow_up(store, 'cancel', plan.run)} ends it"


def launcher_is_gone(store: Store, run: str) -> bool:
    """Whether the launcher that was heard last was a process of this machine, which has ended."""
    try:
        return is_gone(RunProgress.model_validate_json(store.read(RunPlaces(run).progress)).who)
    except (MissingObjectError, ValueError):
        return False


def goes_on(store: Store, attempt: AttemptId | None) -> bool:
    """Whether an attempt is at work, though its launcher may be gone: it ends by itself, and what it makes counts."""
    seen = attempts(store, attempt.kind, attempt.key).get(attempt.number) if attempt else None
    if seen is None or seen.verdict is not None or seen.ended:
        return False
    now = cast(Upkeep, store).clock()
    return any(now - heard < STALE_S for _, heard in seen.beats.values())


def again(plan: PlanRecord, store: str) -> str:
    """The command that goes on with a run; only where the pipeline's file lies is not known."""
    words = ["run", "FILE", "--run", plan.run]
    words += ["--backend", "kubernetes"] if plan.backend == "kubernetes" else []
    chosen = [*(("--set", f"{path}={_typed(value)}") for path, value in plan.pipeline.overrides.items())]
    chosen += [(option, name) for option, names in plan.selection.options.items() for name in names]
    return follow_up(store, *words, *(word for pair in chosen for word in pair))


def _typed(value: Any) -> str:
    """A value as --set takes it."""
    try:
        plain = isinstance(value, str) and scalar(value) == value
    except ConfigError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)
