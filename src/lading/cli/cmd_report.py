"""lading report: writes a run's page again."""

from pathlib import Path
from typing import Annotated

import typer

from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import print_json, say
from lading.cli.places import find_run, store_for
from lading.errors import UserError


def command(
    run: options.Run = "last",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it to this file too, for a browser.", show_default=False)
    ] = None,
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Write a run's report.html into the store again, and say where it is."""
    from lading.names import RunPlaces
    from lading.report.write import write

    place = store_for(store)
    record = view(place, find_run(place, run))
    where = write(place, record["run"], record=record)
    if to is not None:
        where = str(_copy(place.read(RunPlaces(record["run"]).report), to))
    if as_json:
        print_json({"run": record["run"], "report": where})
        return
    say(where)


def _copy(page: bytes, to: Path) -> Path:
    """The page as a file of this machine."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(page)
    except OSError as error:
        raise UserError(f"{to} can't be written: {error.strerror}", do="name another place") from error
    return to.resolve()
