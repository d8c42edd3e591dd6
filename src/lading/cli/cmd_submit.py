"""lading submit: a launcher as a Job of the cluster."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import clean_lines, paint, print_json, say
from lading.cli.places import load, uri_for
from lading.config.commands import follow_up


def command(
    file: options.PipelineFile,
    overrides: options.Set = None,
    store: options.StoreOption = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run's id.", show_default="a new one")] = None,
    as_json: options.Json = False,
) -> None:
    """Start a launcher Job in the cluster and leave: status, logs -f and cancel work as for a run from here.

    It waits until the launcher's pod runs, ten seconds at most, and says what keeps it from starting.
    """
    from lading.cli.cluster import apply, rendered, run_of
    from lading.cli.launchers import settled

    pipeline = load(file, overrides)
    found = rendered(pipeline, store, run)
    applied = apply(pipeline, found)
    at, where, job = run_of(found), found[0]["metadata"]["namespace"], found[-1]["metadata"]["name"]
    if not as_json:
        for line in applied:
            say(line)
    launcher = settled(pipeline, job)
    if as_json:
        told = {"job": job, "state": launcher.state, "note": launcher.note}
        print_json({"run": at, "namespace": where, "objects": applied, "launcher": told})
        return
    if launcher.note:
        word = {"failed": "has failed", "running": "runs", "unseen": "could not be looked at"}.get(launcher.state, "has not started")
        say(f"\n{paint('!', 'yellow')} its launcher {word}: " + "\n  ".join(clean_lines(launcher.note)[-12:]))
    uri = uri_for(store, pipeline)
    apart = ("--namespace", where) if launcher.note else ()  # until the run has written something, the cluster is asked
    say("\n" + follow_up(uri, "status", at, *apart))
    say(follow_up(uri, "logs", at, next(iter(pipeline.stages)), "-f"))
    say(f"kubectl -n {where} logs -f job/{job}     # what the launcher says")
    say(f"kubectl -n {where} describe pods -l job-name={job}     # why it does not start, where it does not")
