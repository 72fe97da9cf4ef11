"""The log of the supervisor, the workers and the observers' process: `telemetry.logs`, configured once in each."""

from __future__ import annotations

from ..telemetry.logs import configure, logger

__all__ = ["configure", "logger"]
