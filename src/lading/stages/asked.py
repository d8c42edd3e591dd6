"""Whether an attempt was asked to stop, by whom and why: set from signal handlers and threads, waited for by the supervisor."""

import os
import signal
from types import FrameType
from typing import Literal

Why = Literal["signal", "deadline", "unwanted", "lost"]


class Asked:
    """False until the first asking; that one stays. `select` sees it become readable."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.why: Why | None = None
        self.reason = ""

    def __bool__(self) -> bool:
        return self.why is not None

    def fileno(self) -> int:
        """Readable once asked."""
        return self._read

    def signal(self, number: int, _frame: FrameType | None = None) -> None:
        """A handler for SIGTERM and SIGINT."""
        self._ask("signal", f"it was asked to stop ({signal.Signals(number).name})")

    def deadline(self, reason: str) -> None:
        """It took too long."""
        self._ask("deadline", reason)

    def unwanted(self, reason: str) -> None:
        """Nobody waits for it any more: it was judged, overtaken, or its result stands."""
        self._ask("unwanted", reason)

    def lost(self, reason: str) -> None:
        """A peer without which it can't go on is gone."""
        self._ask("lost", reason)

    def _ask(self, why: Why, reason: str) -> None:
        if self.why is None:
            self.why, self.reason = why, reason
            os.write(self._write, b"!")

    def close(self) -> None:
        """Closes its pipe."""
        os.close(self._read)
        os.close(self._write)
