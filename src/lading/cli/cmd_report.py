"""lading report: writes a run's page again."""

from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import print_json, say
from lading.cli.places import find_run, store_for


def command(run: options.Run = "last", store: options.StoreOption = None, as_json: options.Json = False) -> None:
    """Write a run's report.html into the store again, and say where it is."""
    from lading.report.write import write

    place = store_for(store)
    record = view(place, find_run(place, run))
    where = write(place, record["run"], record=record)
    if as_json:
        print_json({"run": record["run"], "report": where})
        return
    say(where)
