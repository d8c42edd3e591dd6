"""lading status: how far a run is, or how it ended."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lading.cli import options
from lading.cli.output import print_json, say
from lading.cli.places import find_run, store_for
from lading.codes import Exit

if TYPE_CHECKING:
    from lading.store.base import Store

ENDS = {"succeeded": Exit.OK, "failed": Exit.STAGE_FAILED, "gate_failed": Exit.GATE_FAILED, "cancelled": Exit.INTERRUPTED}
"""How a run's state ends the command that waited for it."""


def command(
    run: options.Run = "last",
    store: options.StoreOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Come back when the run has ended, with its exit code.")] = False,
    as_json: options.Json = False,
) -> None:
    """Say how far a run is, or how it ended. Works from anywhere that reaches the store."""
    from lading.cli.show_run import summary

    place = store_for(store)
    found = find_run(place, run)
    record = view(place, found)
    while wait and record["state"] not in ENDS:
        time.sleep(2)
        record = view(place, found)
    if as_json:
        print_json(record)
    else:
        say(summary(record, store=place))
    if wait and (code := ENDS.get(record["state"], Exit.OK)):
        raise typer.Exit(int(code))


def view(store: "Store", run: str) -> dict[str, Any]:
    """The live view of a run, as data."""
    from lading.driving import live_record

    return live_record(store, run)
