"""lading retrain check: decides whether to train again, and launches it."""

import os
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.cmd_status import ENDS
from lading.cli.output import clean, paint, print_json, say, table
from lading.cli.places import load, store_for
from lading.codes import Exit
from lading.config.pipeline import Pipeline

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Decide whether to train again.")


@app.callback()
def root() -> None:
    """Decide whether to train again, and launch it."""


@app.command("check")
def check(
    file: options.PipelineFile,
    tick: Annotated[
        str | None, typer.Option("--tick", help="Which firing this is; the same tick decides once.", show_default="LADING_TICK")
    ] = None,
    overrides: options.Set = None,
    store: options.StoreOption = None,
    backend: options.BackendOption = "local",
    as_json: options.Json = False,
) -> None:
    """Look at the pipeline's `retrain:` triggers; write the decision once, and make sure of the launch that it asks for.

    Ends as that run ended; with 0 where there was nothing to launch.
    """
    from lading.api import drive, here, in_cluster, write_page
    from lading.retrain.check import check as decide
    from lading.retrain.check import tick_of
    from lading.store.opening import ensure_honest

    pipeline = load(file, overrides)
    place = store_for(store, pipeline)
    ensure_honest(place)

    state = "succeeded"

    def launch(asked: Pipeline, run: str) -> None:
        nonlocal state
        record = drive(asked, place, run=run, place=in_cluster(asked) if backend == "kubernetes" else here(place))
        state = str(record.get("state"))
        write_page(place, record)

    decision = decide(place, pipeline, tick_of(tick, os.environ), launch)
    if as_json:
        print_json(decision.to_data())
    else:
        say(f"{paint(decision.act, 'bold')}  {clean(decision.why)}")
        say(table(("trigger", "due", "why"), [(said.trigger, "yes" if said.due else "no", clean(said.why)) for said in decision.fired]))
        if decision.run:
            say(f"  look:  lading status {decision.run}")
    if code := ENDS.get(state, Exit.STAGE_FAILED):
        raise typer.Exit(int(code))
