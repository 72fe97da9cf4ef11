"""Tests of the data port run on uvloop, as it does; those of the acceptance list on asyncio's own loop, too."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"use_uvloop": True})
