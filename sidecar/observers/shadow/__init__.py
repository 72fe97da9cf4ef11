"""Copies of judged requests to candidates whose answers nobody sees: sent after the caller has been answered.

In: exchange frames with their raw payloads (no other observer reads them), and its own frames back. Out: one
`exchange.Shadow` frame for each sampled exchange and candidate, sums of them. Never: a copy sent twice or retried, a
credential, a copy of a copy, a candidate's answer or header anywhere but in its frame.

    exchange ─▶ draw ─▶ copy ─▶ queue (bounded: drop and count) ─▶ candidate ─▶ compare ─▶ SHADOW frame
                                                                    SHADOW frame, read back ─▶ sums, committed with
                                                                                               the cursor

The sums are folded from the frames as read back, so the cursor counts each exactly once. What must not happen twice is
the sending: ids go to a small file (`sent`) before the bytes go to the candidate. After a crash, what was sent or was
waiting under the last commit and has no frame gets one, `dropped_queue` with the error `interrupted`.
"""

from __future__ import annotations

from .observer import ShadowObserver

__all__ = ["ShadowObserver"]

MEMBER = ShadowObserver
