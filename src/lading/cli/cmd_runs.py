"""lading runs: the runs in a store."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import ago, clean, paint, print_json, say, state, table
from lading.cli.places import store_for
from lading.config.commands import follow_up


def command(
    store: options.StoreOption = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many.")] = 20,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Of this pipeline alone.", show_default=False)] = None,
    as_json: options.Json = False,
) -> None:
    """List the runs in a store, newest first."""
    from lading.ledger.runs import runs

    place = store_for(store)
    found = runs(place, last=last, pipeline=pipeline)
    if as_json:
        print_json([summary.to_data() for summary in found])
        return
    if not found:
        say(f"no runs in {place.uri}")
        say(f"  {paint('do', 'bold')}   {follow_up(place.uri, 'run', 'FILE')} starts one; --store says where to look")
        return
    rows = [(clean(one.run), clean(one.pipeline), state(one.state), ago(one.started) if one.started else "") for one in found]
    say(table(("run", "pipeline", "state", "started"), rows))
