"""The pods of one training keep a connection to the first: where it breaks, a peer is gone, however late the training itself notices.

Pod 0 listens beside the rendezvous; the others say who they are, with the attempt's nonce, and are answered. Whoever ends in order says
so before it closes; a connection that closes without a word is a loss, and pod 0, which then ends too, passes it on by that alone.
A cluster that lets nobody through loses nothing but time.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from lading.logs import get_logger

BESIDE = 1
"""The port, counted from that of the rendezvous."""
AGAIN_S = 1.0
"""Between two tries to reach pod 0, which may not be there yet."""
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""A machine that vanished without a word is noticed after half a minute."""
BYE, WELCOME = b"bye\n", b"welcome\n"
log = get_logger()


class Peers:
    """Watches for the end of other pods, in a thread, while the block lasts.

    Args:
        pod: which one this is.
        master: `host:port` of the rendezvous.
        nonce: of the attempt.
        lost: called once, with a sentence, when a peer ended without a word.
    """

    def __init__(self, pod: int, master: str, nonce: str, lost: Callable[[str], None]) -> None:
        host, _, port = master.rpartition(":")
        self._pod, self._place, self._nonce, self._lost = pod, (host, int(port) + BESIDE), nonce, lost
        self._over = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._open: dict[socket.socket, str] = {}
        """Connections that were made in order, and the name of who is at their other end."""
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)

    def __enter__(self) -> "Peers":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._wake.close()
        self._thread.join(timeout=3)
        for connection in list(self._open):
            connection.close()

    def bye(self) -> None:
        """This pod ends in order: the others need not, and what they do from now on is nothing to it."""
        self._over.set()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.sendall(BYE)

    def _run(self) -> None:
        try:
            if self._pod == 0:
                self._listen()
            elif connection := self._reach():
                self._watch(connection, "pod 0")
        except OSError as error:
            log.info("peers.unwatched", problem=str(error))

    def _listen(self) -> None:
        six = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if six else socket.AF_INET
        with (
            socket.create_server(("", self._place[1]), family=family, dualstack_ipv6=six) as listener,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        connection, _ = listener.accept()
                        selector.register(connection, selectors.EVENT_READ)
                    elif key.fileobj is not self._woken and isinstance(key.fileobj, socket.socket) and not self._heard(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def _heard(self, connection: socket.socket) -> bool:
        """One word of another pod; False where it is the last."""
        word = _receive(connection)
        if connection in self._open:
            who = self._open.pop(connection)
            if word != BYE and not self._over.is_set():
                self._lost(f"{who} is gone without a word")
            return False
        name, _, nonce = word.decode(errors="replace").strip().partition(" ")
        if nonce != self._nonce:
            return False
        _keep_alive(connection)
        connection.sendall(WELCOME)
        self._open[connection] = name.replace("-", " ")
        return True

    def _reach(self) -> socket.socket | None:
        """A connection to pod 0 that it has answered."""
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                connection = socket.create_connection(self._place, timeout=3)
                connection.sendall(f"pod-{self._pod} {self._nonce}\n".encode())
                if _receive(connection) == WELCOME:
                    connection.settimeout(None)
                    _keep_alive(connection)
                    return connection
                connection.close()
            self._over.wait(AGAIN_S)
        return None

    def _watch(self, connection: socket.socket, who: str) -> None:
        self._open[connection] = who
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            selector.select()
        if not self._over.is_set():
            self._heard(connection)


def _receive(connection: socket.socket) -> bytes:
    """One word; nothing where the connection is over. Words are shorter than any packet."""
    try:
        return connection.recv(200)
    except OSError:
        return b""


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
