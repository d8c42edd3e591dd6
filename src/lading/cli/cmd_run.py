"""lading run: plans and runs a pipeline, and shows how it goes."""

import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lading.cli import options
from lading.cli.cmd_status import ENDS
from lading.cli.live import Show
from lading.cli.output import print_json, say
from lading.cli.places import check_stages, load, store_for
from lading.codes import Exit
from lading.config.commands import completed, follow_up
from lading.logs import configure
from lading.names import ENV_OWNER, RunPlaces

if TYPE_CHECKING:
    from lading.store.base import Store


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
    backend: options.BackendOption = "local",
    as_json: options.Json = False,
) -> None:
    """Run a pipeline: results that are there are used, the rest is made. The same command again goes on where it stopped."""
    from lading.cli.show_run import summary
    from lading.driving import drive, here, in_cluster
    from lading.plan.selection import Selection

    pipeline = load(file, overrides)
    check_stages(pipeline, *(only or ()), *(force or ()), until)
    place = store_for(store, pipeline)
    configure(json=False, level="warning")
    if backend == "kubernetes":
        _share_one_heap()
        where = in_cluster(pipeline, place)
        # What runs in the cluster goes on without us; and process 1 of a container would not be ended by it otherwise.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(int(Exit.TERMINATED)))
    else:
        where = here(place)
    show = Show(stream=sys.stderr if as_json else sys.stdout, lines=as_json, store=place.uri)
    try:
        record = drive(pipeline, place, run=run, selection=Selection.of(force, only, until), on_tick=show.update, place=where)
        show.finish(record)
    except KeyboardInterrupt:
        os._exit(int(Exit.INTERRUPTED))  # the second Ctrl-C: nothing may hold us up
    finally:
        show.close()
    shown = page(place, record)
    with show.last_word(str(record["run"])):
        if as_json:
            print_json(record)
        else:
            if show.began:
                say()
            if "://" in shown.partition(" ")[0]:
                shown += f"\n       {follow_up(place.uri, 'report', str(record['run']), '--to', 'page.html')} brings it here"
            say(summary(record, store=place, command=again(), page=shown))
    if code := ENDS.get(str(record.get("state")), Exit.STAGE_FAILED):
        raise typer.Exit(int(code))


def page(store: "Store", record: dict[str, Any]) -> str:
    """Writes the page; of a run of hits alone in a process that goes on behind us, or it would take longer than the run."""
    from lading.driving import write_page

    in_a_pod = bool(os.environ.get(ENV_OWNER))  # whose other processes end with this one
    if in_a_pod or any(stage.get("state") != "hit" for stage in record["stages"].values()):
        return completed(write_page(store, record), store.uri)
    line = [sys.executable, "-m", "lading.report", store.uri, str(record["run"])]
    subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    return f"{store.uri.rstrip('/')}/{RunPlaces(str(record['run'])).report}"


def _share_one_heap() -> None:
    """glibc gives each thread a heap of its own and keeps what is freed there: with watches of a thousand Jobs, a tenth of a launcher."""
    import contextlib
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # another libc
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX


def again() -> str:
    """The command to type to try again: this one."""
    return shlex.join(["lading", *sys.argv[1:]])
