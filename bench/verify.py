"""Before anything is measured: does this system do the job at all?"""

from __future__ import annotations

import http.client
from typing import Final

from . import payload
from .failure import BenchError
from .systems import System

TIMEOUT_SECONDS: Final = 10.0


def verify(system: System, port: int) -> None:
    """BenchError unless a good row gets the model's answer, byte for byte, and a guarded system refuses a bad one."""
    status, headers, body = _post(port, payload.REQUEST)
    if status != 200 or body != payload.ANSWER:
        raise BenchError(f"{system.kind} answers a good row with {status} {body[:200]!r}")
    for name, expected in system.stamped.items():
        if headers.get(name) != expected:
            raise BenchError(f"{system.kind} answers a good row with {name}: {headers.get(name)}, not {expected}")
    if not system.guarded:
        return
    status, _, body = _post(port, payload.BAD_REQUEST)
    if not 400 <= status < 500:
        raise BenchError(f"{system.kind} lets a row out of range through: {status} {body[:200]!r}")


def _post(port: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", payload.PATH, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"port {port} does not answer: {error!r}") from error
    finally:
        connection.close()
