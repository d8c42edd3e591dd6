"""Tickets for machines that pull work."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lading.attempt.tickets import Ticket, offer, offered, read_ticket, take, taken, withdraw
from lading.errors import ManifestError
from lading.names import AttemptId, ticket
from support.memory_store import MemoryStore
from support.results import KEY

HERE = AttemptId("convert", KEY, 2)
TICKET = Ticket(platform="macos", kind="convert", key=KEY, attempt=2, job={"run": "r"})


def test_an_offer_is_seen_taken_once_and_withdrawn() -> None:
    """Of eight runners one takes it; the launcher sees who."""
    store, gate = MemoryStore(), threading.Barrier(8)
    offer(store, TICKET)
    offer(store, TICKET)
    store.write("tickets/macos/notes.txt", b"?")

    def one(i: int) -> bool:
        gate.wait()
        return take(store, HERE, host=f"mac-{i}")

    assert [found.id for found in offered(store, "macos")] == [HERE]
    assert list(offered(store, "any")) == []
    assert read_ticket(store, "macos", HERE) == TICKET
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(one, range(8)))
    who = taken(store, HERE)
    assert who is not None
    assert (1, f"mac-{won.index(True)}") == (sum(won), who.host)
    withdraw(store, "macos", HERE)
    assert list(offered(store, "macos")) == []
    assert read_ticket(store, "macos", HERE) is None


def test_a_ticket_for_another_attempt_is_refused() -> None:
    """What a ticket says must be what its place says, or a runner would run one thing and end another."""
    store = MemoryStore()
    store.write(ticket("macos", AttemptId("convert", KEY, 3)), TICKET.to_bytes())

    with pytest.raises(ManifestError, match="attempt 2"):
        read_ticket(store, "macos", AttemptId("convert", KEY, 3))
