"""Tests of the data port run on uvloop, as it does, and on asyncio's own loop."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"use_uvloop": request.param})
