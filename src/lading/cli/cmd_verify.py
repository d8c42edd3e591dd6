"""lading verify: checks that what a run made is still there."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import clean, paint, print_json, say, table
from lading.cli.places import find_run, store_for
from lading.codes import Exit
from lading.ledger.documents import MADE


def command(
    run: options.Run = "last",
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and check its sha256; otherwise existence and size.")] = False,
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Check every artifact of a run, and of what it was made from. Ends with 1 if anything is missing or damaged."""
    from lading.launch.verify import verify

    place = store_for(store)
    record = view(place, find_run(place, run))
    made = {name: (one["kind"], one["key"]) for name, one in record["stages"].items() if one.get("state") in MADE and one.get("key")}
    findings = verify(place, made, deep=deep)
    broken = [finding for finding in findings if not finding.sound]
    if as_json:
        rows = [{"stage": one.stage, "artifact": one.artifact, "state": one.state, "message": one.message} for one in findings]
        print_json({"run": record["run"], "deep": deep, "sound": not broken, "findings": rows})
    else:
        how = "read in full" if deep else "there, of the right size"
        sound = f"{len(findings) - len(broken)} of {len(findings)} artifacts of {len(made)} stages are {how}"
        say(f"{paint('✗', 'red') if broken else paint('✓', 'green')} {sound}")
        if broken:
            say(
                table(
                    ("stage", "artifact", "state", "what"),
                    [(one.stage, clean(one.artifact), one.state, clean(one.message)) for one in broken],
                )
            )
    if broken:
        raise typer.Exit(int(Exit.STAGE_FAILED))
