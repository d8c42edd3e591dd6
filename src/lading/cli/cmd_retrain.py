"""lading retrain: decides whether to train again, launches it, and tells what was decided before."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from lading.cli import options
from lading.cli.cmd_status import ENDS
from lading.cli.output import clean, paint, print_json, say, table
from lading.cli.places import load, store_for
from lading.codes import Exit
from lading.config.commands import follow_up
from lading.config.pipeline import Pipeline
from lading.errors import NotFoundError
from lading.names import ENV_OWNER

if TYPE_CHECKING:
    from lading.store.base import Store

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Decide whether to train again.")
TOLD = {"launch": Exit.RETRAINS, "wait": Exit.RETRAIN_WAITS, "nothing": Exit.OK}


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
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Tell what was decided: 10 it trains again, 11 it waits, 0 nothing is due.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Look at the pipeline's `retrain:` triggers; write the decision once, and make sure of the launch that it asks for.

    Here, and in a release's own pod, it ends as the run that it launched; with --backend kubernetes from elsewhere it starts a launcher
    Job and leaves. With 0 where there was nothing to launch.
    """
    from lading.retrain.check import check as decide
    from lading.retrain.check import tick_of
    from lading.retrain.history import state_of
    from lading.store.opening import ensure_honest

    pipeline = load(file, overrides)
    place = store_for(store, pipeline)
    ensure_honest(place)
    submits = backend == "kubernetes" and not os.environ.get(ENV_OWNER)

    def launch(asked: Pipeline, run: str) -> None:
        if submits:
            _submit(asked, store, run)
        else:
            _drive(asked, place, run, backend)

    decision, known = decide(place, pipeline, tick_of(tick, os.environ), launch)
    state = state_of(place, decision.run)[0] if decision.run else None
    if as_json:
        print_json(decision.to_data())
    else:
        say(f"{paint(decision.act, 'bold')}  {clean(decision.why)}")
        say(table(("trigger", "due", "why"), [(said.trigger, "yes" if said.due else "no", clean(said.why)) for said in decision.fired]))
        if decision.run:
            say(_seen(place, decision.run, state))
        if known:
            told = f"this was decided at {decision.decided}, by tick {decision.tick}"
            say(f"  {told}: another --tick (in a cluster a Job of another name) decides anew")
    if code := _code(state) or (TOLD[decision.act] if exit_code else Exit.OK):
        raise typer.Exit(int(code))


def _seen(place: "Store", run: str, state: str | None) -> str:
    """What became of the decision's run, where it has ended, and how to look."""
    from lading.cli.cmd_status import view
    from lading.cli.show_run import summary

    look = f"  look:  {follow_up(place.uri, 'status', run)}"
    return look if state == "live" else f"\n{summary(view(place, run), store=place)}\n\n{look}"


def _submit(asked: Pipeline, store: str | None, run: str) -> None:
    """A launcher Job of this run, unless one is there: its name would differ if the data changed since."""
    from lading.cli.cluster import apply, launcher_of, rendered

    if launcher_of(asked, run) is None:
        apply(asked, rendered(asked, store, run))


def _drive(asked: Pipeline, place: "Store", run: str, backend: str) -> None:
    """The launcher is this process."""
    from lading.driving import drive, here, in_cluster, write_page

    write_page(place, drive(asked, place, run=run, place=in_cluster(asked, place) if backend == "kubernetes" else here(place)))


def _code(state: str | None) -> Exit:
    """How the decision's run, if it has one, ended, at whichever firing that is seen; a run that goes on elsewhere is no failure."""
    return Exit.OK if state in {None, "live"} else ENDS.get(str(state), Exit.STAGE_FAILED)


@app.command("history")
def history(
    check_name: Annotated[str | None, typer.Argument(metavar="[CHECK]", help="Of this check alone.", show_default="all")] = None,
    last: Annotated[int, typer.Option("-n", "--last", min=1, metavar="N", help="So many, the newest first.")] = 20,
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Show what was decided, tick by tick, and what became of the runs that were launched."""
    from lading.retrain.history import decisions, state_of

    place = store_for(store)
    found = decisions(place, check_name, last=last)
    if not found:
        whose = f" of {check_name}" if check_name else ""
        raise NotFoundError(f"there is no decision{whose} in {place.uri}", do="lading retrain check FILE makes one")
    states = {one.run: state_of(place, one.run)[0] for one in found if one.run}
    if as_json:
        print_json([{**one.to_data(), "state": states.get(one.run or "")} for one in found])
        return
    rows = [(one.decided, one.check, one.act, _shown(states.get(one.run or "")), one.run or "", one.why) for one in found]
    say(table(("decided", "check", "act", "run is", "run", "why"), [tuple(map(clean, row)) for row in rows]))


def _shown(state: str | None) -> str:
    return "" if state is None else "going on" if state == "live" else state.replace("_", " ")
