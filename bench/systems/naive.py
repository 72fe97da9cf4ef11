"""What one writes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .. import environments
from .base import Launch, Place


class Naive:
    """Starlette + `httpx.AsyncClient` + pydantic under uvicorn (uvloop, httptools): the same checks, no record."""

    kind: ClassVar[str] = "naive"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch:
        return Launch(
            (
                *(str(environments.python("bench")), "-m", "uvicorn", "bench.peers.naive:app"),
                *("--host", "127.0.0.1", "--port", str(place.port), "--no-access-log", "--log-level", "warning"),
                *("--loop", "uvloop", "--http", "httptools", "--app-dir", str(environments.ROOT)),
            ),
            env={"UPSTREAM": f"http://127.0.0.1:{place.upstream_port}"},
        )

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = Naive
