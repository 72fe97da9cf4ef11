"""The reserved prefix `/_sidecar/`: feedback in, readiness out. Answered here, never forwarded."""

from __future__ import annotations

import hmac
import json
from typing import Final

from ..exchange import Kind, encode
from ..problem import Problem
from .feedback import read_feedback
from .held import HeldCall

PREFIX: Final = "/_sidecar/"
_JSON: Final = b"application/json"


def internal_call(path: str) -> type[InternalCall]:
    """What answers a path below the reserved prefix."""
    return {"/_sidecar/feedback": FeedbackCall, "/_sidecar/readyz": ReadyCall}.get(path, InternalCall)


class InternalCall(HeldCall):
    """Leaves no exchange in the journal. This one knows nothing: 404."""

    def reply(self) -> None:
        self.refuse(Problem(404, "not-found", "Not found", "below /_sidecar/ there are feedback and readyz"))

    def _deliver(self, data: bytes) -> None:
        self._release(data)

    def _record(self) -> None:
        """Nothing: what matters here has a frame of its own."""


class ReadyCall(InternalCall):
    """`GET /_sidecar/readyz`: whether a request sent to this port now would be served."""

    def reply(self) -> None:
        if self.method not in (b"GET", b"HEAD"):
            self.refuse(Problem(405, "method-not-allowed", "Read only", "use GET", allow="GET, HEAD"))
            return
        why = "draining" if self.gateway.draining else self.gateway.standing.not_ready
        body = json.dumps({"ready": not why, "reason": why}).encode()
        self.answer(503 if why else 200, _JSON, body)


class FeedbackCall(InternalCall):
    """`POST /_sidecar/feedback`: labels and outcomes, on the disk before the 202."""

    def reply(self) -> None:
        gateway = self.gateway
        if self.method != b"POST":
            self.refuse(Problem(405, "method-not-allowed", "Write only", "use POST", allow="POST"))
            return
        token = gateway.settings.feedback_token
        if token and not self._authorized(token):
            self.refuse(
                Problem(401, "unauthorized", "Token needed", "send `Authorization: Bearer …` with the feedback token")
            )
            return
        batch = read_feedback(b"".join(self._pending), gateway.wall_ns())
        if batch.malformed:
            self.refuse(Problem(400, "malformed-body", "Not feedback", batch.malformed))
            return
        written = 0
        for item, payload in batch.items:
            if gateway.journal.append(Kind.FEEDBACK, encode(item), (payload,)):
                written += 1
        if written < len(batch.items):
            self.refuse(
                Problem(
                    503,
                    "journal-full",
                    "Not kept",
                    "the journal could not take it; send it again",
                    retry_after_seconds=5,
                )
            )
            return
        elsewhere = sum(not gateway.ids.made_here(item.prediction_id) for item, _ in batch.items)
        document = {"accepted": written, "pending": elsewhere, "rejected": batch.rejected}
        body = json.dumps(document).encode()
        gateway.journal.sync_now(lambda durable: self._synced(body, written, len(batch.rejected), durable))

    def _synced(self, body: bytes, accepted: int, rejected: int, durable: bool) -> None:
        if durable:  # what is not kept was not accepted, whatever is in the page cache
            self.gateway.counts.feedback(accepted, rejected)
        if self.finished:
            return
        if durable:
            self.answer(202, _JSON, body)
        else:
            self.refuse(
                Problem(
                    503, "journal-full", "Not kept", "the disk did not take it; send it again", retry_after_seconds=5
                )
            )

    def _authorized(self, token: str) -> bool:
        for line in self.head.lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"authorization":
                return hmac.compare_digest(value.strip(), b"Bearer " + token.encode())
        return False
