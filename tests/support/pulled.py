"""Stages that wait for a runner, and a launcher that offers them: for tests with runners in real processes."""

import sys
import threading
from pathlib import Path
from typing import Any

from lading.backends.composite import CompositeBackend
from lading.backends.local import LocalBackend
from lading.backends.runner import RunnerBackend
from lading.config.loader import from_data
from lading.launch.context import Context
from lading.launch.record import RunRecord
from lading.launch.run import launch
from lading.store.opening import open_store

COMMAND = [sys.executable, "-c", "from lading.cli.app import main; main()"]


def pipeline(*stages: str, command: str, **fields: Any) -> Any:
    """Script stages for a runner, side by side."""
    made = {
        name: {"kind": "script", "runner": "any", "settings": {"command": ["sh", "-c", command], "env": {"N": name}}, **fields}
        for name in stages
    }
    return from_data({"pipeline": "pulled", "stages": made}, folder=Path())


class Launching:
    """A launcher in a thread."""

    def __init__(self, store: Path | str, what: Any, *, stale_s: float = 60.0, run: str | None = None) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.cancel = threading.Event()
        self.result: list[Any] = []
        self.run = ""

        def go() -> None:
            place = open_store(str(store))
            backend = CompositeBackend(LocalBackend(str(store)), RunnerBackend(place))
            try:
                record = launch(
                    what,
                    place,
                    backend,
                    run=run,
                    on_event=lambda event: self.seen.append((event.stage, event.record.state, event.record.reason)),
                    on_start=lambda started: setattr(self, "run", started),
                    cancel=self.cancel,
                    context=Context(stale_s=stale_s),
                )
                self.result.append(record)
            except BaseException as error:
                self.result.append(error)
            finally:
                backend.close()

        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()

    def reasons(self) -> str:
        """All that was said of stages."""
        return "\n".join(reason for _, _, reason in self.seen)

    def end(self, within_s: float = 60) -> RunRecord:
        """How it ended."""
        self.thread.join(within_s)
        assert self.result, self.seen
        assert isinstance(self.result[0], RunRecord), self.result
        return self.result[0]
