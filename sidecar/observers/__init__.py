"""Everything that reads the journal, one file per observer; each with its own cursor, inside its own state.

In: frames, in order, each once. Out: files, spans, series, shadow answers, frames of the `cold` stream.
Never: a word to the gateway. An observer may crash, stall, fill its disk or be stopped: a cursor lags, a request never.

A member is a class with `kind`, made by `cold.runner` from a `Context`; it is restarted from its last commit.
"""

from __future__ import annotations

from .base import Context, Observer, Restless, StateFile, moment_of

__all__ = ["Context", "Observer", "Restless", "StateFile", "moment_of"]
