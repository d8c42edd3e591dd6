"""Promotion and rollback: the next entry of a champion's history, written if absent after the one that was seen."""

import secrets
from typing import Any

from lading.config.pipeline import Pipeline
from lading.errors import MissingObjectError, NotFoundError, StageFailedError
from lading.manifest.champion import Champion, current, highest, history, read_champion
from lading.manifest.model import InputRef
from lading.names import champions
from lading.store.base import Store

__all__ = ["Champion", "current", "fulfil", "history", "promote", "rollback", "seen_champions"]


def promote(store: Store, bundle: InputRef, *, model: str, alias: str = "production", seen: int, run: str, reason: str = "") -> Champion:
    """Makes a bundle the champion, if nobody promoted since `seen`; done already where this run has an entry with this bundle.

    Args:
        store: where.
        bundle: the result of a bundle stage.
        model: what is promoted.
        alias: `production`, `staging` or the like.
        seen: the number of the champion in use when the run was planned; 0 where there was none.
        run: who promotes.
        reason: for people.

    Raises:
        StageFailedError: another was promoted since; it is named.
    """
    if bundle.kind != "bundle":
        raise NotFoundError(f"{bundle.kind}/{bundle.key[:12]} is no bundle, and only bundles are promoted", do="promote a run that has one")
    if (now := highest(store, model, alias)) > seen:
        if own := _own(store, bundle, model, alias, run, range(seen + 1, now + 1)):
            return own
        raise _too_late(read_champion(store, model, alias, now), seen)
    entry = Champion(model=model, alias=alias, n=seen + 1, bundle=bundle, run=run, reason=reason, nonce=secrets.token_hex(16))
    return _append(store, entry)


def rollback(store: Store, *, model: str, alias: str = "production", run: str, to: int | None = None, reason: str = "") -> Champion:
    """Puts an earlier bundle in use again, as a new entry.

    Args:
        store: where.
        model: which.
        alias: which.
        run: who asks.
        to: the entry to go back to; by default the newest before the one in use that has another bundle.
        reason: for people.

    Raises:
        NotFoundError: there is no such entry.
        StageFailedError: another was promoted at the same moment; it is named.
    """
    entries = history(store, model, alias)
    if not entries:
        raise NotFoundError(
            f"{model}/{alias} has no champion in {store.uri}", do="lading runs says what could be promoted: lading promote RUN"
        )
    now = entries[0]
    if to is None:
        target = next((entry for entry in entries if entry.bundle.result != now.bundle.result), None)
    else:
        target = next((entry for entry in entries if entry.n == to), None)
    if target is None:
        what = f"no entry {to}" if to is not None else "no earlier entry with another bundle"
        raise NotFoundError(
            f"{model}/{alias} has {what}; its entries are {', '.join(str(e.n) for e in entries)}", do=f"lading champion {model} shows them"
        )
    entry = Champion(
        model=model,
        alias=alias,
        n=now.n + 1,
        bundle=target.bundle,
        run=run,
        act="rollback",
        reason=reason or f"back to entry {target.n}",
        nonce=secrets.token_hex(16),
    )
    return _append(store, entry)


def seen_champions(store: Store, pipeline: Pipeline) -> dict[str, int]:
    """For each promote stage the champion that is in use now: a run notes it in its plan, and promotes only over that one."""
    places = {stage.name: _place(stage.settings.to_data()) for stage in pipeline.stages.values() if stage.kind == "promote"}
    return {name: highest(store, *place) for name, place in places.items()}


def fulfil(store: Store, settings: dict[str, Any], bundle: InputRef, *, seen: int, run: str) -> Champion:
    """Does what a promote stage asks for, once its own manifest stands: the stage's process knows no store, so its launcher promotes.

    A hit by key is not enough: every run calls this, and one that has its entry already is told so.

    Raises:
        StageFailedError: another was promoted since the run was planned.
    """
    model, alias = _place(settings)
    return promote(store, bundle, model=model, alias=alias, seen=seen, run=run, reason=str(settings.get("reason") or ""))


def _place(settings: dict[str, Any]) -> tuple[str, str]:
    return str(settings["model"]), str(settings["alias"])


def _append(store: Store, entry: Champion) -> Champion:
    if store.write(f"{champions(entry.model, entry.alias)}{entry.n}.json", entry.to_bytes(), if_absent=True):
        return entry
    winner = read_champion(store, entry.model, entry.alias, entry.n)
    if (winner.run, winner.bundle.result, winner.act) == (entry.run, entry.bundle.result, entry.act):
        return winner  # two launchers of one run
    raise _too_late(winner, entry.n - 1)


def _own(store: Store, bundle: InputRef, model: str, alias: str, run: str, numbers: range) -> Champion | None:
    """This run's entry with this bundle, though others may have followed."""
    for n in reversed(numbers):
        try:
            entry = read_champion(store, model, alias, n)
        except MissingObjectError:
            continue
        if (entry.run, entry.bundle.result, entry.act) == (run, bundle.result, "promote"):
            return entry
    return None


def _too_late(winner: Champion, seen: int) -> StageFailedError:
    before = f"entry {seen} was in use" if seen else "there was none"
    return StageFailedError(
        f"{winner.model}/{winner.alias} has a newer champion: entry {winner.n} ({winner.act}) by run {winner.run}, "
        f"bundle {winner.bundle.result[:12]}; when this run was planned, {before}",
        do=f"compare the two, then run again to promote over it: lading compare {winner.run} THIS-RUN",
    )
