"""lading gc: deletes what no run needs any more."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import clean, print_json, say
from lading.cli.places import deciding_store_for, find_run
from lading.config.duration import seconds_of
from lading.errors import UserError
from lading.report.words import size


def span(text: str) -> float:
    """A span such as `30d` in seconds.

    Raises:
        UserError: it is none.
    """
    try:
        return float(seconds_of(text))
    except ValueError as error:
        raise UserError(str(error).partition("; ")[0], do="write one such as 12h, 30d or 2w") from None


def command(
    older_than: Annotated[str, typer.Option("--older-than", metavar="SPAN", help="Drop finished runs older than this: 30d, 12h.")] = "30d",
    keep_last: Annotated[int, typer.Option("--keep-last", min=0, help="Of each pipeline, keep so many of the newest runs.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")] = False,
    pin: Annotated[
        str | None, typer.Option("--pin", metavar="RUN", help="Delete nothing, but keep this run for ever.", show_default=False)
    ] = None,
    unpin: Annotated[str | None, typer.Option("--unpin", metavar="RUN", help="Let a run age as others do.", show_default=False)] = None,
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Drop old runs and delete what none that is left needs.

    Champions with the run that made them, pinned runs and whatever still runs are kept. What a dropped run alone needed is voided first;
    its bytes go with a gc an hour later.
    """
    from lading.launch import sweep
    from lading.launch.gc import Policy

    if pin or unpin:
        place = deciding_store_for(store)
        done = [(find_run(place, run), word) for run, word in ((pin, "pinned"), (unpin, "unpinned")) if run]
        for run, word in done:
            (sweep.pin if word == "pinned" else sweep.unpin)(place, run)
            if not as_json:
                say(f"{run} is {word}")
        if as_json:
            print_json({"store": place.uri, **{word: run for run, word in done}})
        return
    policy = Policy(older_than_s=span(older_than), keep_last=keep_last)
    place = deciding_store_for(store)
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if not as_json:
            say(clean(line))

    freed = sweep.collect(place, policy, dry_run=dry_run, say=hear).size
    if as_json:
        print_json({"store": place.uri, "dry_run": dry_run, "acts": lines, "bytes": freed})
    elif not lines:
        say("nothing to delete")
    elif dry_run:
        say(f"{len(lines)} acts that free {size(freed)}; nothing was deleted (--dry-run)")
    else:
        say(f"{size(freed)} freed")
