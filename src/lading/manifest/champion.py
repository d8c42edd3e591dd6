"""Champions: the bundle in use of a model under an alias, as an append-only history of which the newest entry speaks."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from lading import names
from lading.errors import MissingObjectError, StoreError, UserError
from lading.frozen import Frozen
from lading.manifest.handoff import newest, numbered
from lading.manifest.model import InputRef
from lading.manifest.reading import read_document, refuse
from lading.store.base import Store

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
ChampionName = Annotated[str, Field(pattern=NAME_PATTERN)]
MAX_CHAMPION_BYTES = 1 << 20


class Champion(Frozen):
    """One entry of the history; written if absent, never changed."""

    schema_: Literal["lading/champion/v1"] = Field("lading/champion/v1", alias="schema")
    model: ChampionName
    alias: ChampionName = "production"
    n: int = Field(ge=1)
    bundle: InputRef
    run: str
    """The run that promoted it; for a rollback, whatever names who asked."""
    act: Literal["promote", "rollback"] = "promote"
    reason: str = ""
    nonce: str


class _Place(Frozen):
    model: ChampionName
    alias: ChampionName


def check_place(model: str, alias: str) -> None:
    """Refuses names of models and aliases that could not lie in the store.

    Raises:
        UserError: a name is not plain.
    """
    try:
        _Place(model=model, alias=alias)
    except ValidationError as error:
        name, what = (model, "model") if error.errors()[0]["loc"] == ("model",) else (alias, "alias")
        raise UserError(f"{name[:80]!r} can't be the name of a champion's {what}", do="use a to z, 0 to 9, '.', '_' and '-'") from error


def highest(store: Store, model: str, alias: str) -> int:
    """The number of the champion in use, by one LIST; 0 where there is none."""
    check_place(model, alias)
    return newest(store, names.champions(model, alias))


def read_champion(store: Store, model: str, alias: str, n: int) -> Champion:
    """One entry.

    Raises:
        ManifestError: it is refused.
        MissingObjectError: there is none.
    """
    place = f"{names.champions(model, alias)}{n}.json"
    champion = read_document(store, place, Champion, limit=MAX_CHAMPION_BYTES)
    if (champion.model, champion.alias, champion.n) != (model, alias, n):
        refuse(f"{place} in {store.uri}", f"it says that it is entry {champion.n} of {champion.model}/{champion.alias}")
    return champion


def current(store: Store, model: str, alias: str) -> Champion | None:
    """The champion in use; None where nothing was promoted yet."""
    for _ in range(3):
        if not (n := highest(store, model, alias)):
            return None
        try:
            return read_champion(store, model, alias, n)
        except MissingObjectError:
            continue
    raise StoreError(f"the champions of {model}/{alias} in {store.uri} are listed and can't be read", do="lading doctor")


def history(store: Store, model: str, alias: str) -> list[Champion]:
    """Every entry, newest first."""
    entries = []
    for n in range(highest(store, model, alias), 0, -1):
        try:
            entries.append(read_champion(store, model, alias, n))
        except MissingObjectError:
            continue
    return entries


def every(store: Store) -> dict[tuple[str, str], int]:
    """Model and alias of every champion in the store, with the highest number; one LIST."""
    found: dict[tuple[str, str], int] = {}
    for stat in store.list("champions/"):
        if (document := numbered(stat.key)) is not None:
            model, alias, n = document
            found[model, alias] = max(n, found.get((model, alias), 0))
    return found
