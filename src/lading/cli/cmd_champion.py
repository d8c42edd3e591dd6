"""lading champion: the model in use, its history, and the way back."""

from typing import Annotated

import typer

from lading.cli import options
from lading.cli.output import clean, paint, print_json, say, short, table
from lading.cli.places import deciding_store_for, store_for
from lading.errors import NotFoundError


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")],
    alias: Annotated[str, typer.Option("--as", metavar="ALIAS", help="production, staging or the like.")] = "production",
    rollback: Annotated[bool, typer.Option("--rollback", help="Put the bundle before in use again, as a new entry.")] = False,
    to: Annotated[int | None, typer.Option("--to", min=1, help="With --rollback: that entry.", show_default="the one before")] = None,
    reason: Annotated[str, typer.Option("--reason", help="For people.")] = "",
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Show which bundle of a model is in use, and its history; or go back to an earlier one."""
    from lading.launch.promotion import history
    from lading.launch.promotion import rollback as roll_back

    place = deciding_store_for(store) if rollback else store_for(store)
    if rollback:
        roll_back(place, model=model, alias=alias, run="rollback", to=to, reason=reason)
    entries = history(place, model, alias)
    if not entries:
        raise NotFoundError(f"{model}/{alias} has no champion in {place.uri}", do="lading promote RUN makes one")
    if as_json:
        print_json({"model": model, "alias": alias, "current": entries[0].to_data(), "history": [entry.to_data() for entry in entries]})
        return
    say(f"{paint(f'{model}/{alias}', 'bold')}  {short(entries[0].bundle.result, 12)} of run {clean(entries[0].run)}")
    rows = [(str(one.n), one.act, short(one.bundle.result, 12), clean(one.run), clean(one.reason)) for one in entries]
    say(table(("n", "act", "bundle", "run", "reason"), rows, right=[0]))
