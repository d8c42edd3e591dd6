"""A way to the cluster that can be cut: a forwarder on this machine, and a kubeconfig that leads through it."""

import contextlib
import select
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class Tunnel:
    """Forwards connections to one address; `cut` breaks those that are open, `away` refuses new ones."""

    def __init__(self, host: str, port: int, kubeconfig: Path) -> None:
        self.target, self.kubeconfig = (host, port), kubeconfig
        self.away, self.cuts = False, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def to_cluster(cls, kubeconfig: str, folder: Path) -> "Tunnel":
        """To the current context's API server."""
        config = yaml.safe_load(Path(kubeconfig).read_text())
        context = next(one["context"] for one in config["contexts"] if one["name"] == config["current-context"])
        cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == context["cluster"])
        server = urlsplit(cluster["server"])
        tunnel = cls(server.hostname or "", server.port or 443, folder / "tunnel.kubeconfig")
        cluster.pop("certificate-authority-data", None)
        cluster.pop("certificate-authority", None)
        cluster |= {"server": f"https://127.0.0.1:{tunnel.port}", "insecure-skip-tls-verify": True}
        tunnel.kubeconfig.write_text(yaml.safe_dump(config))
        return tunnel

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Breaks every connection that is open now."""
        for end in list(self._open):
            self.cuts += 1
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.away:
                    near.close()
                else:
                    threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near, socket.create_connection(self.target, timeout=10) as far:
            far.settimeout(None)
            self._open |= {near, far}
            try:
                while True:
                    for end in select.select([near, far], [], [])[0]:
                        data = end.recv(1 << 16)
                        if not data:
                            return
                        (far if end is near else near).sendall(data)
            finally:
                self._open -= {near, far}
