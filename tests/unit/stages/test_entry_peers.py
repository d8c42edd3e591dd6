"""Pods that watch each other: over real sockets, in threads."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from entry_jobs import eventually
from lading.stages.peers import BESIDE, Peers


class Pod:
    """One pod of an attempt."""

    def __init__(self, number: int, port: int, nonce: str = "nonce") -> None:
        self.lost: list[str] = []
        self.stack = ExitStack()
        self.peers = self.stack.enter_context(Peers(number, f"localhost:{port}", nonce, self.lost.append))

    def __len__(self) -> int:
        """How many peers it is connected with."""
        return len(self.peers._open)

    def end(self, *, bye: bool) -> None:
        """It ends, in order or not."""
        if bye:
            self.peers.bye()
        self.stack.close()


@pytest.fixture
def three() -> Iterator[list[Pod]]:
    """Three connected pods, of which pod 0 came last."""
    port = free()
    pods = [Pod(number, port) for number in (2, 1, 0)][::-1]
    eventually(lambda: [len(pod) for pod in pods] == [2, 1, 1])
    yield pods
    for pod in pods:
        pod.stack.close()


def free() -> int:
    """A port whose neighbour is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1]) - BESIDE


def test_who_ends_without_a_word_is_lost_to_the_first(three: list[Pod]) -> None:
    """Pod 0 is told by name, once; the others hear of it when pod 0 ends in its turn."""
    three[2].end(bye=False)
    eventually(lambda: three[0].lost)
    assert three[0].lost == ["pod 2 is gone without a word"]
    assert three[1].lost == []

    three[0].end(bye=False)
    eventually(lambda: three[1].lost)
    assert three[1].lost == ["pod 0 is gone without a word"]


def test_who_ends_in_order_is_not_lost(three: list[Pod]) -> None:
    """A word before the end, from either side, and nobody is stopped."""
    three[1].end(bye=True)
    eventually(lambda: len(three[0]) == 1)
    three[0].end(bye=True)
    eventually(lambda: len(three[2]) == 0)
    time.sleep(0.2)

    assert [pod.lost for pod in three] == [[], [], []]


def test_strangers_stop_nobody(three: list[Pod]) -> None:
    """A scanner that connects and goes, or a pod of another attempt, is not answered and not missed."""
    place = three[1].peers._place
    with socket.create_connection(place) as scanner:
        scanner.sendall(b"GET / HTTP/1.1\r\n")
        assert scanner.recv(100) == b""
    stranger = Pod(7, place[1] - BESIDE, nonce="another")
    time.sleep(0.3)
    stranger.end(bye=False)
    time.sleep(0.2)

    assert (len(three[0]), three[0].lost, stranger.lost) == (2, [], [])


def test_a_port_that_is_taken_costs_nothing_but_time() -> None:
    """Where pod 0 can't listen, nobody is lost, and everybody ends as always."""
    with socket.create_server(("", 0)) as taken:
        pod = Pod(0, taken.getsockname()[1] - BESIDE)
        time.sleep(0.2)
        pod.end(bye=True)
    assert pod.lost == []
