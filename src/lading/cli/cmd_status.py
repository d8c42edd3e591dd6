"""lading status: how far a run is, or how it ended."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lading.cli import options
from lading.cli.output import print_json, say
from lading.cli.places import find_run, store_for
from lading.codes import Exit
from lading.errors import LadingError, NotFoundError

if TYPE_CHECKING:
    from lading.store.base import Store

ENDS = {"succeeded": Exit.OK, "failed": Exit.STAGE_FAILED, "gate_failed": Exit.GATE_FAILED, "cancelled": Exit.INTERRUPTED}
"""How a run's state ends the command that waited for it."""


def command(
    run: options.Run = "last",
    store: options.StoreOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Come back when the run has ended, with its exit code.")] = False,
    namespace: options.LauncherNamespace = None,
    as_json: options.Json = False,
) -> None:
    """Say how far a run is, or how it ended. Works from anywhere that reaches the store.

    Of a run that was submitted and has not begun, the cluster that KUBECONFIG names is asked why.
    """
    from lading.cli.launchers import told
    from lading.cli.show_run import summary

    place = store_for(store)
    record = _seen(place, run, namespace)
    waiting = Waiting(place, record["run"])
    while wait and record["state"] not in ENDS and not waiting.in_vain(record):
        time.sleep(2)
        record = _seen(place, record["run"], namespace)
    if as_json:
        print_json(record)
    elif record["stages"] or "launcher" not in record:
        say(summary(record, store=place))
    else:
        say(told(record))
    if wait and (code := ENDS.get(record["state"], Exit.UNREACHABLE)):
        raise typer.Exit(int(code))


class Waiting:
    """Whether it is of use to wait for a run: a launcher that is not heard of may come back, as its Job starts another pod."""

    def __init__(self, store: "Store", run: str) -> None:
        self._store, self._run, self._told = store, run, False

    def in_vain(self, record: dict[str, Any]) -> bool:
        """Whether nobody drives the run any more; says on stderr, once, that it is waited for somebody to do so again."""
        if record["state"] != "interrupted":
            self._told = False
            return False
        from lading.launch.waiting import COMES_BACK_S, is_left

        if is_left(self._store, self._run):
            return True
        if not self._told:
            self._told = True
            sys.stderr.write(f"nothing is heard of the launcher; waits until that is so for {COMES_BACK_S / 60:.0f} min\n")
            sys.stderr.flush()
        return False


def _seen(store: "Store", run: str, namespace: str | None) -> dict[str, Any]:
    """A run as the store has it; where that has nothing of it, as its launcher's Job says."""
    from lading.cli.launchers import interrupted, unbegun

    try:
        found = find_run(store, run)
    except NotFoundError as missing:
        try:
            record = unbegun(store, run, namespace)
        except LadingError as error:
            told = [part for part in (missing.do, f"the cluster could not be asked: {error.message}") if part]
            raise NotFoundError(missing.message, do="; ".join(told)) from error
        if record is None:
            raise
        return record
    return interrupted(store, view(store, found))


def view(store: "Store", run: str) -> dict[str, Any]:
    """The live view of a run, as data."""
    from lading.driving import live_record

    return live_record(store, run)
