"""lading cancel: stops a run."""

from lading.cli import options
from lading.cli.output import print_json, say
from lading.cli.places import deciding_store_for, find_run
from lading.config.commands import follow_up
from lading.errors import NotFoundError


def command(
    run: options.Run, store: options.StoreOption = None, namespace: options.LauncherNamespace = None, as_json: options.Json = False
) -> None:
    """Stop a run: stages that no other run waits for are stopped, the rest goes on.

    Of a run that was submitted and has not begun, the launcher's Job is deleted in the cluster that KUBECONFIG names.
    """
    from lading.cli.anywhere import Anywhere
    from lading.cli.launchers import withdraw
    from lading.launch.cancel import cancel
    from lading.launch.status import status

    place = deciding_store_for(store)
    try:
        found = find_run(place, run)
    except NotFoundError:
        record = withdraw(place, run, namespace)
        if record is None:
            raise
        if as_json:
            print_json({"run": record["run"], "cancelled": True, "state": "cancelled"})
            return
        at = record["launcher"]
        say(f"{record['run']} will not begin: job/{at['job']} in {at['namespace']} is deleted, and nothing of the run is in the store")
        return
    before = status(place, found).state
    over = before not in {"running", "interrupted"}
    backend = Anywhere(place)
    state = before if over else cancel(place, found, backend=backend).state
    if as_json:
        print_json({"run": found, "cancelled": not over and state == "cancelled", "state": state})
        return
    word = state.replace("_", " ")
    say(f"{found} had ended already: {word}" if over else f"{found} is stopped: {word}")
    for one in backend.left:
        say(f"  {one}")
    say(f"  look:  {follow_up(place.uri, 'status', found)}")
