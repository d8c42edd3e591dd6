"""lading promote: makes a run's bundle the model in use."""

from typing import Annotated, Any

import typer

from lading.cli import options
from lading.cli.cmd_status import view
from lading.cli.output import print_json, say, short
from lading.cli.places import deciding_store_for, find_run, nearest
from lading.config.commands import follow_up
from lading.errors import NotFoundError, UserError


def command(
    run: options.Run,
    model: Annotated[str | None, typer.Option("--model", help="Under which name.", show_default="the pipeline's")] = None,
    alias: Annotated[str, typer.Option("--as", metavar="ALIAS", help="production, staging or the like.")] = "production",
    stage: Annotated[str | None, typer.Option("--stage", help="The bundle, where a run has several.", show_default=False)] = None,
    reason: Annotated[str, typer.Option("--reason", help="For people.")] = "",
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Make the bundle of a run that succeeded the model in use; fails if somebody promoted another meanwhile."""
    from lading.launch.promotion import current, promote
    from lading.ledger.manifests import manifest_of

    place = deciding_store_for(store)
    record = view(place, find_run(place, run))
    if record["state"] != "succeeded":
        raise UserError(
            f"run {record['run']} is {record['state']}, and only a run that succeeded is promoted",
            do=follow_up(place.uri, "status", str(record["run"])),
        )
    name = _bundle(record, stage)
    found = manifest_of(place, record["stages"][name])
    if found is None:
        raise NotFoundError(f"the bundle of {name} is no longer in {place.uri}", do="run the pipeline again, then promote")
    n, manifest = found
    under = model or str(record["pipeline"])
    now = current(place, under, alias)
    entry = promote(place, manifest.ref(n), model=under, alias=alias, seen=now.n if now else 0, run=record["run"], reason=reason)
    if as_json:
        print_json(entry.to_data())
        return
    say(f"{entry.model}/{entry.alias} is now {short(entry.bundle.result, 12)} of run {entry.run} (entry {entry.n})")
    if now and now.bundle.result != entry.bundle.result:
        back = follow_up(place.uri, "champion", entry.model, "--rollback", "--as", entry.alias)
        say(f"  before: {short(now.bundle.result, 12)} of run {now.run}; back: {back}")


def _bundle(record: dict[str, Any], stage: str | None) -> str:
    """The bundle stage that is meant."""
    bundles = [name for name, one in record["stages"].items() if one.get("kind") == "bundle"]
    if stage is not None and stage not in bundles:
        raise NotFoundError(f"run {record['run']} has no bundle {stage!r}", do=nearest(stage, bundles))
    if stage is None and len(bundles) != 1:
        what = f"several bundles: {', '.join(bundles)}" if bundles else "no bundle"
        raise NotFoundError(
            f"run {record['run']} has {what}", do="name one with --stage" if bundles else "add a bundle stage to the pipeline"
        )
    return stage or bundles[0]
