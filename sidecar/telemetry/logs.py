"""Every process's log: one JSON object a line on stderr, trace ids at the top level, nothing that moves a terminal.

In: events (`noun.past_verb`, see `events`) with fields. Out: lines of ASCII. Never: an exception into the caller; a
value from a body. A field `trace=` with a record or a trace context becomes `trace_id`, `span_id` and `trace_flags`.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO, TypeAlias

import structlog

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
_DEEPEST: Final = 8


def configure(level: Level = "info", *, stream: TextIO | None = None) -> None:
    """Once per process, before the first line: a logger keeps what it was configured with."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace_ids,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_rendered),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_Lines(stream if stream is not None else sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger() -> Any:
    """A logger; bind what all of its lines say."""
    return structlog.get_logger()


def line(fields: Mapping[str, Any]) -> str:
    """One JSON object in visible ASCII: all else is escaped. JSON has no NaN: it becomes the text `nan`."""
    try:
        text = json.dumps(fields, default=repr, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # a NaN, a key that is no text, a value within itself
        text = json.dumps(_plain(fields, 0))
    return text.replace("\x7f", "\\u007f")


def trace_ids(source: Any) -> dict[str, str]:
    """Of a record or a trace context, as W3C Trace Context writes them: lower-case hexadecimal."""
    flags = getattr(source, "trace_flags", None)
    if flags is None:
        flags = getattr(source, "flags", 0)
    return {"trace_id": source.trace_id, "span_id": source.span_id, "trace_flags": f"{flags:02x}"}


def _with_trace_ids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if hasattr(event.get("trace"), "trace_id"):
        event.update(trace_ids(event.pop("trace")))
    return event


def _rendered(event: Mapping[str, Any], **_: Any) -> str:
    return line(event)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(name): _plain(each, depth + 1) for name, each in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, depth + 1) for each in value]
    return repr(value)[:1000]


class _Lines:
    """structlog's logger and its factory: one write a line. Where nobody reads any more, nobody is missed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, *_: Any) -> _Lines:
        return self

    def msg(self, message: str) -> None:
        """Write one line."""
        try:
            self._stream.write(message + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a pipe without a reader, a full disk, a closed stream
            pass

    debug = info = warning = error = critical = exception = log = fatal = msg
