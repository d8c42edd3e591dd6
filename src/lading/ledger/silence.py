"""Whether a run without an end still has a launcher: by its heartbeat, on the store's own clock."""

from typing import cast

from lading.names import RunPlaces
from lading.store.base import Store, Upkeep

LIVE_S = 60.0
"""A launcher is heard of every few seconds; one that is not for so long is gone, or cut off from the store."""


def silent_s(store: Store, run: str) -> float:
    """Seconds since anything was heard of a run's launcher: its heartbeat, or its plan where there is none yet."""
    places = RunPlaces(run)
    heard = [stat.modified for stat in store.list(places.prefix) if stat.key in {places.plan, places.progress}]
    return max(0.0, cast(Upkeep, store).clock() - max(heard)) if heard else 0.0


def interrupted(store: Store, run: str) -> str:
    """Why a run without an end does not go on; empty while its launcher is heard of."""
    silence = silent_s(store, run)
    if silence < LIVE_S:
        return ""
    ago = f"{silence:.0f} s" if silence < 120 else f"{silence / 60:.0f} min" if silence < 7200 else f"{silence / 3600:.0f} h"
    return f"nothing was heard of its launcher for {ago}: it was ended, or an upgrade put another run in its place"
