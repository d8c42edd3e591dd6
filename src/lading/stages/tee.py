"""What a stage prints: to the console and, in numbered chunks that never change, to the store; in bounded memory."""

import os
import select
import threading
import time
from collections.abc import Callable

from lading.errors import LadingError
from lading.logs import get_logger
from lading.stages.secrets import Masker

CHUNK = 1 << 20
"""Bytes: a chunk is stored at the latest when it has them."""
FIRST_FLUSH_S, LONGEST_FLUSH_S = 2.0, 15.0
"""Chunks come every 2 s at first, and less often as the stage gets older, so that a long training leaves few objects."""
MOST = 256 << 20
"""Bytes of one pod's log in the store; the console gets all."""
log = get_logger()


class Tee:
    """A thread that reads a pipe until its end.

    Args:
        source: the pipe's reading end; closed at the end.
        write: stores a chunk under its number.
        masker: for this stream alone.
        console: a file descriptor, or None.
    """

    def __init__(self, source: int, write: Callable[[int, bytes], object], masker: Masker, *, console: int | None) -> None:
        self._source, self._write, self._masker, self._console = source, write, masker, console
        self._pending = bytearray()
        self._number = 0
        self._stored = 0
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="tee", daemon=True)

    def __enter__(self) -> "Tee":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(timeout=60)

    def rest(self) -> None:
        """Stores what an outage kept back, once the stage has ended and the store may be there again."""
        if not self._thread.is_alive():
            self._flush()

    def _run(self) -> None:
        flushed = time.monotonic()
        while True:
            every = min(LONGEST_FLUSH_S, FIRST_FLUSH_S + (flushed - self._began) / 60)
            waiting = max(0.0, flushed + every - time.monotonic()) if self._pending else None
            ready, _, _ = select.select([self._source], [], [], waiting)
            data = os.read(self._source, 1 << 16) if ready else None
            if data is not None:
                if not self._pending:
                    flushed = time.monotonic()
                self._take(self._masker.feed(data) if data else self._masker.finish())
            if data == b"" or len(self._pending) >= CHUNK or time.monotonic() - flushed >= every:
                self._flush()
                flushed = time.monotonic()
            if data == b"":
                os.close(self._source)
                return

    def _take(self, data: bytes) -> None:
        if self._console is not None:
            self._print(data)
        if self._stored < MOST:
            self._pending += data
            self._stored += len(data)
            if self._stored >= MOST:
                self._pending += b"\n[lading: the log is cut here: it has %d MiB]\n" % (MOST >> 20)

    def _print(self, data: bytes) -> None:
        assert self._console is not None
        while data:
            try:
                data = data[os.write(self._console, data) :]
            except OSError:  # nobody reads the console any more
                self._console = None
                return

    def _flush(self) -> None:
        if not self._pending:
            return
        try:
            self._write(self._number, bytes(self._pending))
        except LadingError as error:
            log.warning("log.not_stored", problem=error.message)
            if len(self._pending) < 4 * CHUNK:
                return  # with the next flush
            self._pending = bytearray(b"[lading: a part of the log could not be stored]\n")
            return
        self._number += 1
        self._pending.clear()
