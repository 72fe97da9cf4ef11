"""The supervisor's and the workers' log: one JSON object a line on stderr (JSON escapes control bytes and newlines)."""

from __future__ import annotations

import sys
from typing import Any

import structlog


def configure() -> None:
    """Once per process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger() -> Any:
    """A logger; events are `noun.past_verb`."""
    return structlog.get_logger()
