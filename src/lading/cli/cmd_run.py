"""lading run: plans and runs a pipeline, and shows how it goes."""

import os
import shlex
import sys
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.cmd_status import ENDS
from lading.cli.live import Show
from lading.cli.output import print_json, say
from lading.cli.places import check_stages, load, store_for
from lading.codes import Exit


def command(
    file: options.PipelineFile,
    overrides: options.Set = None,
    only: options.Only = None,
    until: options.Until = None,
    force: options.Force = None,
    store: options.StoreOption = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="The run's id: go on with a run.", show_default="a new one")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run a pipeline: results that are there are used, the rest is made. The same command again goes on where it stopped."""
    from lading.api import drive, live_record
    from lading.cli.show_run import summary

    pipeline = load(file, overrides)
    check_stages(pipeline, *(only or ()), *(force or ()), until)
    place = store_for(store, pipeline)
    show = Show(as_json=as_json)
    try:
        record, page = drive(
            pipeline,
            place,
            run=run,
            force=force or (),
            only=only or (),
            until=until,
            tick_s=0.5 if "://" not in place.uri else 2.0,
            on_tick=lambda identity: show.update(live_record(place, identity)),
        )
    except KeyboardInterrupt:
        os._exit(int(Exit.INTERRUPTED))  # the second Ctrl-C: nothing may hold us up; supervisors see to their own children
    finally:
        show.close()
    if as_json:
        print_json(record)
    else:
        if show.began:
            say()
        say(summary(record, store=place, command=again(), page=page))
    if code := ENDS.get(str(record.get("state")), Exit.STAGE_FAILED):
        raise typer.Exit(int(code))


def again() -> str:
    """The command to type to try again: this one."""
    return shlex.join(["lading", *sys.argv[1:]])
