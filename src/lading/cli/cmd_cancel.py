"""lading cancel: stops a run."""

from lading.cli import options
from lading.cli.output import print_json, say
from lading.cli.places import find_run, store_for


def command(run: options.Run, store: options.StoreOption = None, as_json: options.Json = False) -> None:
    """Stop a run: stages that no other run waits for are stopped, the rest goes on."""
    from lading.api import here
    from lading.launch.cancel import cancel

    place = store_for(store)
    found = find_run(place, run)
    cancel(place, found, backend=here(place).make())
    if as_json:
        print_json({"run": found, "cancelled": True})
        return
    say(f"asked {found} to stop")
    say(f"  look:  lading status {found}")
