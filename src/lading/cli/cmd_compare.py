"""lading compare: two runs side by side."""

from typing import Annotated, Any

import typer

from lading.cli import options
from lading.cli.output import clean, number, paint, print_json, say, table
from lading.cli.places import find_run, store_for


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="The run before.")],
    b: Annotated[str, typer.Argument(metavar="[B]", help="The run after.")] = "last",
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Set two runs side by side: settings and measurements that are not the same."""
    from lading.ledger.compare import compare

    place = store_for(store)
    found = compare(place, find_run(place, a), find_run(place, b))
    if as_json:
        print_json(found.to_data())
        return
    say(f"{paint(found.a, 'bold')} → {paint(found.b, 'bold')}")
    if found.same:
        say("nothing differs")
    for head, changes in (("setting", found.settings), ("measurement", found.measurements)):
        if changes:
            rows = [
                (one.stage, clean(one.what), f"{_value(one.before, one.texts[0])} → {_value(one.after, one.texts[1])}{_moved(one)}")
                for one in changes
            ]
            say("\n" + table(("stage", head, "before → after"), rows))
    for run, only in ((found.a, found.gone), (found.b, found.new)):
        if only:
            say(f"\nonly in {run}: {', '.join(only)}")
    if found.keys:
        say(f"\nmade under another key: {', '.join(one.stage for one in found.keys)}")


def _value(value: Any, text: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return clean(text)


def _moved(change: Any) -> str:
    both = (change.before, change.after)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in both):
        return ""
    return f"  ({change.after - change.before:+.4g})"
