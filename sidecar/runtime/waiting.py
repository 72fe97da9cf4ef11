"""Two ways to wait that the standard library has no one call for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


async def within(work: Awaitable[Any], seconds: float) -> bool:
    """Whether it was done in time; what was not is cancelled."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True


async def first_of(*works: Awaitable[Any], timeout_seconds: float | None = None) -> None:
    """Returns when one is done (or none in time); the others are cancelled, exceptions stay with their owners."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
