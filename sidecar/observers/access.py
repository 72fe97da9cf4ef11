"""One JSON line per request, on stderr or in a file, made from the record after the answer has left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from ..exchange import Close, Exchange, Kind
from ..journal import Cursor, Read
from ..telemetry import events, http, logs, metrics
from .base import Context, StateFile

STDERR: Final = "stderr"
_PIECE_BYTES: Final = 4096  # PIPE_BUF: what a pipe takes as a whole once it is writable
_PATIENCE_MS: Final = 1000
_RECENT_SECONDS: Final = 60.0
_LOST: Final = metrics.ACCESS_LINES_LOST.at()


class Access:
    """A JSON line for each request: who asked what, what was answered and how long it took."""

    kind: ClassVar[str] = "access"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE, Kind.CLOSE})
    commit_seconds = 5.0

    def __init__(self, context: Context) -> None:
        """`context.section`: `stderr`, or the path of a file that is appended to."""
        self._target = str(context.section or STDERR)
        self._book = context.book
        self._log = context.log
        self._stats = context.stats
        self._file = StateFile(context.data / "observers" / "access.state")
        self._descriptor = -1
        self._since_unix_ns = 0

    async def open(self) -> Cursor:
        """Goes on after its last line; the first time, with the last minute: not with all that the journal holds."""
        cursor = await asyncio.to_thread(self._file.load_or_begin, self._log, "access.state_damaged")
        if not cursor.positions:
            self._since_unix_ns = time.time_ns() - int(_RECENT_SECONDS * 1e9)
        if self._target == STDERR:
            self._descriptor = os.dup(2)
        else:
            self._reopen()
        return cursor

    async def take(self, batch: Sequence[Read]) -> None:
        lines = []
        for read in batch:
            record = read.record.exchange if isinstance(read.record, Close) else read.record
            if isinstance(record, Exchange) and record.started_unix_ns >= self._since_unix_ns:
                lines.append(logs.line(self.fields(record, read)).encode() + b"\n")
        if lines:
            lost = await asyncio.to_thread(self._write, lines)
            self._stats.counters[_LOST] += lost

    async def commit(self, cursor: Cursor) -> None:
        """What was taken is with the reader of the line; a line may come twice after a crash, never be left out."""
        await asyncio.to_thread(self._file.save, cursor, b"")

    async def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def fields(self, record: Exchange, read: Read) -> dict[str, Any]:
        """What a line says; without what does not apply."""
        path, query = http.path_and_query(record.target)
        guard = self._book.guard(record.policy_digest) if record.policy_digest else None
        ended = datetime.fromtimestamp((record.started_unix_ns + record.total_ns) / 1e9, UTC)
        stated: dict[str, Any] = {
            "event": events.ACCESS,
            "level": "info",
            "timestamp": ended.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            **logs.trace_ids(record),
            "method": record.method,
            "path": path,
            "query": query,
            "route": record.route,
            "status": record.status,
            "error": record.error,
            "duration_ms": round(record.total_ns / 1e6, 3),
            "upstream_ms": round(record.upstream_ns / 1e6, 3),
            "contract_ms": round(record.contract_ns / 1e6, 3),
            "upstream_status": record.upstream_status or "",
            "request_bytes": record.request_bytes,
            "response_bytes": record.response_bytes,
            "model": record.model_name,
            "model_version": record.model_version,
            "policy": guard.identity.name if guard is not None else "",
            "policy_digest": record.policy_digest,
            "mode": record.mode,
            "verdict": record.verdict,
            "codes": list(dict.fromkeys(violation.code for violation in record.violations)) or "",
            "violations": _answerable(record, guard) or "",
            "rows": record.rows,
            "prediction_id": record.prediction_id,
            "request_id": record.request_id,
            "client": record.client_address,
            "caller": record.caller,
            "user_agent": dict(record.request_headers).get("user-agent", ""),
            "replica": read.replica,
        }
        return {name: value for name, value in stated.items() if value != ""}

    # -- writing, in a thread of its own

    def _write(self, lines: list[bytes]) -> int:
        """Lines that could not be written: the disk is full, or nobody reads the pipe."""
        if self._target != STDERR:
            self._follow_rotation()
        while lines:
            count, piece = 0, b""
            while count < len(lines) and (not piece or len(piece) + len(lines[count]) <= _PIECE_BYTES):
                piece += lines[count]
                count += 1
            if not self._put(piece):
                return len(lines)
            del lines[:count]
        return 0

    def _put(self, piece: bytes) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while piece:
            try:
                if not any(event & select.POLLOUT for _, event in poll.poll(_PATIENCE_MS)):
                    return False
                piece = piece[os.write(self._descriptor, piece[:_PIECE_BYTES]) :]
            except OSError:
                return False
        return True

    def _follow_rotation(self) -> None:
        """Write where the name is now: logrotate moves the file away, and expects a new one."""
        with contextlib.suppress(OSError):
            ours, there = os.fstat(self._descriptor), Path(self._target).stat()
            if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
                return
        self._reopen()

    def _reopen(self) -> None:
        fresh = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = fresh


def _answerable(record: Exchange, guard: Any | None) -> list[dict[str, str]]:
    """Each code once, with who answers for it and where its value comes from, by the policy of its day."""
    known = guard.identity.responsible if guard is not None else {}
    found: dict[str, dict[str, str]] = {}
    for violation in record.violations:
        if violation.code not in found:
            who = known.get(violation.code) or known.get(violation.feature) or known.get("")
            stated = {name: getattr(who, name, "") for name in ("owner", "contact", "source", "review_by")}
            found[violation.code] = {"code": violation.code} | {name: text for name, text in stated.items() if text}
    return list(found.values()) if known else []


MEMBER = Access
