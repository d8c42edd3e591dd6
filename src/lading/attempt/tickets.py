"""Tickets: attempts that wait for a machine that pulls work. The launcher claims and offers; one runner takes; the manifest ends it."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from lading import names
from lading.errors import ManifestError, MissingObjectError, StoreDeniedError, UserError
from lading.frozen import Frozen
from lading.manifest.handoff import standing
from lading.manifest.reading import read_document, refuse
from lading.names import AttemptId
from lading.store.base import Store
from lading.store.keys import check_key

MAX_TICKET_BYTES = 1 << 20
_NAME = re.compile(r"^([a-z][a-z0-9_]*)-([0-9a-f]{64})-([1-9]\d{0,8})\.json$")


class Ticket(Frozen):
    """An offer."""

    schema_: Literal["lading/ticket/v1"] = Field("lading/ticket/v1", alias="schema")
    platform: Literal["macos", "any"]
    kind: str
    key: str
    attempt: int = Field(ge=1)
    job: dict[str, Any]
    """The job that is run, as JSON: a `JobSpec`."""

    @property
    def id(self) -> AttemptId:
        """The attempt that waits."""
        return AttemptId(self.kind, self.key, self.attempt)


class Taken(Frozen):
    """Who took a ticket; written once, beside the claim."""

    schema_: Literal["lading/taken/v1"] = Field("lading/taken/v1", alias="schema")
    nonce: str
    host: str
    pid: int = 0
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """A ticket as a LIST shows it."""

    id: AttemptId
    platform: str
    modified: float
    """The store's time of the offer."""


def taken_place(attempt: AttemptId) -> str:
    """Where it is written who took an attempt."""
    return attempt.prefix + "taken.json"


def offer(store: Store, ticket: Ticket) -> None:
    """Puts a ticket out; offering twice is offering once."""
    store.write(names.ticket(ticket.platform, ticket.id), ticket.to_bytes(), if_absent=True)


def attempt_of(name: str) -> AttemptId | None:
    """The attempt that a ticket's file name names."""
    match = _NAME.match(name)
    return AttemptId(match[1], match[2], int(match[3])) if match else None


def offered(store: Store, platform: str) -> Iterator[Offered]:
    """Every ticket of a platform, in the order of their names, by one LIST."""
    prefix = f"tickets/{platform}/"
    for stat in store.list(prefix):
        if attempt := attempt_of(stat.key[len(prefix) :]):
            yield Offered(attempt, platform, stat.modified)


def read_ticket(store: Store, platform: str, attempt: AttemptId) -> Ticket | None:
    """The ticket of an attempt; None where it was withdrawn.

    Raises:
        ManifestError: it is refused, or names another attempt than its place does, or a run that can't be.
    """
    place = names.ticket(platform, attempt)
    try:
        ticket = read_document(store, place, Ticket, limit=MAX_TICKET_BYTES)
    except MissingObjectError:
        return None
    if ticket.id != attempt or ticket.platform != platform:
        refuse(f"{place} in {store.uri}", f"it is for attempt {ticket.attempt} of {ticket.kind}/{ticket.key[:12]}")
    if run := str(ticket.job.get("run", "")):
        try:
            check_key(names.RunPlaces(run).end)
        except UserError as error:
            refuse(f"{place} in {store.uri}", error.message)
    return ticket


def take(store: Store, attempt: AttemptId, *, host: str, pid: int = 0, platform: str = "") -> bool:
    """Takes an attempt; True for exactly one of all runners."""
    record = Taken(nonce=secrets.token_hex(16), host=host, pid=pid, platform=platform)
    return store.write(taken_place(attempt), record.to_bytes(), if_absent=True)


def taken(store: Store, attempt: AttemptId) -> Taken | None:
    """Who took an attempt, if anyone."""
    try:
        return read_document(store, taken_place(attempt), Taken, limit=64 << 10)
    except MissingObjectError:
        return None


def why_void(store: Store, ticket: Ticket) -> str:
    """Why nobody needs to work for a ticket, in words; empty while somebody waits for it."""
    if _is_there(store, ticket.id.verdict):
        return "its attempt has a verdict"
    if manifest_stands(store, ticket.kind, ticket.key):
        return "its result stands already"
    return "its run has ended" if run_ended(store, str(ticket.job.get("run", ""))) else ""


def manifest_stands(store: Store, kind: str, key: str) -> bool:
    """Whether a key has a result; a record that is refused is none."""
    try:
        return standing(store, kind, key).manifest is not None
    except ManifestError:
        return False


def run_ended(store: Store, run: str) -> bool:
    """Whether a run has its end; a runner whose key may not read runs can't tell, and takes it as going on."""
    try:
        return bool(run) and _is_there(store, names.RunPlaces(run).end)
    except StoreDeniedError:
        return False


def _is_there(store: Store, key: str) -> bool:
    try:
        store.read(key, limit=1)
    except MissingObjectError:
        return False
    return True


def withdraw(store: Store, platform: str, attempt: AttemptId) -> None:
    """Takes a ticket away: it was done, judged, or nobody waits for it any more."""
    store.delete([names.ticket(platform, attempt)])
