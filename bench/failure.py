"""The one error of the harness."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot go on: the message says what, where and how to fix it."""
