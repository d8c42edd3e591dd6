"""lading submit: a launcher as a Job of the cluster."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import print_json, say
from lading.cli.places import load, uri_for
from lading.config.commands import follow_up


def command(
    file: options.PipelineFile,
    overrides: options.Set = None,
    store: options.StoreOption = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run's id.", show_default="a new one")] = None,
    as_json: options.Json = False,
) -> None:
    """Start a launcher Job in the cluster and leave: status, logs -f and cancel work as for a run from here."""
    from lading.cli.cluster import apply, rendered, run_of

    pipeline = load(file, overrides)
    found = rendered(pipeline, store, run)
    applied = apply(pipeline, found)
    if as_json:
        print_json({"run": run_of(found), "namespace": found[0]["metadata"]["namespace"], "objects": applied})
        return
    for line in applied:
        say(line)
    at, where, job = run_of(found), found[0]["metadata"]["namespace"], found[-1]["metadata"]["name"]
    uri = uri_for(store, pipeline)
    say("\n" + follow_up(uri, "status", at))
    say(follow_up(uri, "logs", at, next(iter(pipeline.stages)), "-f"))
    say(f"kubectl -n {where} logs -f job/{job}     # what the launcher says")
    say(f"kubectl -n {where} describe pods -l job-name={job}     # why it does not start, where it does not")
