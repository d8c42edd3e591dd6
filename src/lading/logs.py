"""structlog set up once: JSON lines in containers, colour on a terminal; always on stderr."""

import sys
from typing import Any

import structlog


def configure(*, json: bool | None = None, level: str = "info") -> None:
    """Sets the process's logging.

    Args:
        json: JSON lines instead of coloured text; by default, whether stderr is no terminal.
        level: the lowest level that is shown.
    """
    as_json = (not sys.stderr.isatty()) if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else (lambda _logger, _name, event: event),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(**bound: Any) -> Any:
    """A logger whose events are short verbs with key-values: `log.info("job.submitted", run=..., stage=...)`."""
    return structlog.get_logger(**bound)
