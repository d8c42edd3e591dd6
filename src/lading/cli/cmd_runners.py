"""lading runners: who pulls work, and what waits."""

from typing import TYPE_CHECKING, Any

from lading.cli import options
from lading.cli.output import clean, print_json, say, short, table
from lading.cli.places import store_for
from lading.config.commands import anywhere
from lading.report.words import duration

if TYPE_CHECKING:
    from lading.store.base import Store


def command(store: options.StoreOption = None, as_json: options.Json = False) -> None:
    """Show the runners that were heard of, what each does and leaves, and what waits for one."""
    place = store_for(store)
    found = {"runners": runners(place), "waiting": waiting(place)}
    if as_json:
        print_json(found)
        return
    if found["runners"]:
        rows = [
            (one["name"], "alive" if one["alive"] else "gone", f"{duration(one['age_s'])} ago", ",".join(one["platforms"]), _doing(one))
            for one in found["runners"]
        ]
        say(table(("runner", "state", "heard", "takes for", "does"), [tuple(map(clean, row)) for row in rows]))
    else:
        say(f"no runner was heard of: {anywhere(place.uri, 'runner')} starts one")
    say()
    if not found["waiting"]:
        say("nothing waits for a runner")
        return
    tickets = [
        (f"{one['kind']} {short(one['key'])}", str(one["attempt"]), one["platform"], one["run"], _why(one)) for one in found["waiting"]
    ]
    say(table(("waits", "attempt", "for", "run", "since"), [tuple(map(clean, row)) for row in tickets]))


def runners(store: "Store") -> list[dict[str, Any]]:
    """Every runner that said something of itself."""
    from lading.attempt.presence import presences

    return [{**seen.presence.to_data(), "age_s": round(seen.age_s, 1), "alive": seen.alive} for seen in presences(store)]


def waiting(store: "Store") -> list[dict[str, Any]]:
    """Every ticket that nobody took and somebody waits for."""
    from typing import cast

    from lading.attempt import tickets
    from lading.errors import ManifestError
    from lading.store.base import Upkeep

    found: list[dict[str, Any]] = []
    offers = [one for platform in ("macos", "any") for one in tickets.offered(store, platform)]
    now = cast("Upkeep", store).clock() if offers else 0.0
    for one in offers:
        row = {"platform": one.platform, "kind": one.id.kind, "key": one.id.key, "attempt": one.id.number}
        row["age_s"] = round(max(0.0, now - one.modified), 1)
        try:
            ticket = tickets.read_ticket(store, one.platform, one.id)
        except ManifestError as error:
            found.append({**row, "run": "", "stage": "", "refused": error.message})
            continue
        if ticket is not None and tickets.taken(store, one.id) is None and not tickets.why_void(store, ticket):
            found.append({**row, "run": str(ticket.job.get("run", "")), "stage": str(ticket.job.get("stage", ""))})
    return found


def _doing(one: dict[str, Any]) -> str:
    did = f"{one['stage']} of run {one['run']}" if one["state"] == "working" else one["state"]
    return "; ".join([did, *(f"leaves {name.split('/')[0]} {short(name.split('/')[1])}: {why}" for name, why in one["refuses"].items())])


def _why(one: dict[str, Any]) -> str:
    return str(one.get("refused") or f"{duration(one['age_s'])}, stage {one['stage']}")
