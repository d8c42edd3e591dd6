"""structlog set up once: JSON lines in containers, colour on a terminal; always on stderr. Imported when there is something to say."""

import os
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_UNASKED = "warning"
"""What a library may say where nobody has configured it."""
_set: dict[str, Any] = {"level": _UNASKED, "json": None, "made": False}


def configure(*, json: bool | None = None, level: str = "info") -> None:
    """Sets the process's logging.

    Args:
        json: JSON lines instead of coloured text; by default, whether stderr is no terminal.
        level: the lowest level that is shown.
    """
    _set.update(level=level, json=json, made=False)


def prepare() -> None:
    """Imports structlog behind what is done meanwhile, where something will be said: it takes as long as the end of a stage."""
    if LEVELS["info"] >= LEVELS[_set["level"]]:
        threading.Thread(target=import_module, args=("structlog",), name="structlog", daemon=True).start()


def get_logger(**bound: Any) -> "Logger":
    """A logger whose events are short verbs with key-values: `log.info("job.submitted", run=..., stage=...)`."""
    return Logger(bound)


class Logger:
    """Passes on to structlog what is at or above the level; structlog takes 0.1 s or more to import, which a silent process saves."""

    def __init__(self, bound: Mapping[str, Any]) -> None:
        self._bound = bound

    def bind(self, **bound: Any) -> "Logger":
        """The same logger with more said of every event."""
        return Logger({**self._bound, **bound})

    def debug(self, event: str, **values: Any) -> None:
        """For whoever looks for a bug."""
        self._say("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """What happened, as it should."""
        self._say("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """What a person should know, though it goes on."""
        self._say("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """What did not work."""
        self._say("error", event, values)

    def _say(self, level: str, event: str, values: dict[str, Any]) -> None:
        if LEVELS[level] < LEVELS[_set["level"]]:
            return
        import structlog

        if not _set["made"]:
            _configure(structlog)
        getattr(structlog.get_logger(**self._bound), level)(event, **values)


def _colours() -> bool:
    """Whether stderr is a terminal that shows colours: a file, such as launchd's log of a runner, is to be read as it is."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _configure(structlog: Any) -> None:
    """Sets structlog up as `configure` was told."""
    as_json = (not sys.stderr.isatty()) if _set["json"] is None else _set["json"]
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=_colours())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else (lambda _logger, _name, event: event),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_set["level"]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _set["made"] = True
