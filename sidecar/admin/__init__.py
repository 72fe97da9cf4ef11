"""The admin port: a JSON API and one page, for people and pipelines.

In: HTTP from this machine, or with a token. Out: what `Sources` knows, as JSON. GET never changes anything.
Never: a word to the gateway (a reload is asked of the supervisor), a payload, a value that a policy hides.
"""

from __future__ import annotations

from .app import application
from .queries import PredictionQuery, QueryError
from .sources import Sources

__all__ = ["PredictionQuery", "QueryError", "Sources", "application"]
