"""Load policies in a process of their own: the supervisor stays small, and no policy can hang it or fill its memory."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from .messages import Finding, LoadRequest, LoadResult, encode

LOADER_COMMAND: Final = (sys.executable, "-m", "sidecar.runtime.load")
TIMEOUT_SECONDS: Final = 60.0


async def load(
    request: LoadRequest, *, command: Sequence[str] = LOADER_COMMAND, timeout_seconds: float = TIMEOUT_SECONDS
) -> LoadResult:
    """Never raises for a bad policy: everything that goes wrong is a finding."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, process_group=0
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate(encode(request))
    except TimeoutError:
        return _failed("load.timeout", f"loading took longer than {timeout_seconds:.0f} s", "make the policies smaller")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(output, type=LoadResult)
    except msgspec.DecodeError:
        return _failed(
            "load.failed",
            f"the loader ended with exit code {process.returncode} and no result",
            "its message is above; `sidecar check` shows the same",
        )


def _failed(code: str, message: str, hint: str) -> LoadResult:
    return LoadResult(findings=(Finding(code=code, message=message, hint=hint),))
