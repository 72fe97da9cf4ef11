"""Which rows `capture.sample` keeps, and what a kept one stands for.

In: a prediction row and its policy. Out: whether it is kept; its weight. Never sampled away: what was refused, dropped,
changed, answered by fallback, withheld or failed; what the contract and its candidate disagree about; and rows whose
unit is copied to a shadow, so that every pair has its record. A label comes later: `labelled` brings its rows back.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final

from ..guard import Guard
from ..predictions import Prediction
from ..shadow import REQUEST, ROW, Sampler, derive_key, read_plans
from .base import Book

MOST_POLICIES: Final = 64
_UNREMARKABLE: Final = frozenset({"ok", ""})


class Keeping:
    """Decides for one archive. Replicas with one key decide alike."""

    def __init__(self, book: Book, secret: bytes) -> None:
        self._book = book
        self._secret = secret
        self._samplers: OrderedDict[str, tuple[tuple[str, Sampler], ...]] = OrderedDict()

    def keeps(self, row: Prediction, guard: Guard) -> bool:
        """Whether the row is kept; sets its weight. All rows of one call share one flip."""
        share = guard.recording.sample
        return share >= 1.0 or self._shadowed(row, guard) or kept(row, share, self._secret)

    def _shadowed(self, row: Prediction, guard: Guard) -> bool:
        own = f"{row.prediction_id}/{row.row}"
        value: Any
        for unit, sampler in self._of(guard):
            if unit == REQUEST:
                value = row.prediction_id
            elif unit == ROW:
                value = own
            elif unit in guard.recording.hidden:  # what names the unit is not in the row
                continue
            else:
                value = row.raw_features.get(unit, row.features.get(unit))
            if sampler.draw(own if value is None else value).sampled:
                return True
        return False

    def _of(self, guard: Guard) -> tuple[tuple[str, Sampler], ...]:
        """The samplers of the policy's shadows; none where there is no key, as then nothing is copied."""
        digest = guard.identity.digest
        found = self._samplers.get(digest)
        if found is None:
            found = self._samplers[digest] = self._made(guard)
            if len(self._samplers) > MOST_POLICIES:
                self._samplers.popitem(last=False)
        return found

    def _made(self, guard: Guard) -> tuple[tuple[str, Sampler], ...]:
        document = self._book.document(guard.identity.digest)
        if not self._secret or not document:
            return ()
        try:
            key = derive_key(self._secret)
            plans = read_plans(document)
        except ValueError:  # the shadow observer says so
            return ()
        return tuple((plan.unit, Sampler(key, guard.identity.name, plan.unit, plan.sample)) for plan in plans)


def kept(row: Prediction, share: float, secret: bytes) -> bool:
    """Whether a row that is not shadowed is kept; its weight says how many rows it stands for."""
    if row.verdict not in _UNREMARKABLE or not row.exposed or not 200 <= row.status < 300:
        return True
    if row.candidate is not None and row.candidate.verdict != row.candidate.active:
        return True
    digest = blake2b(row.prediction_id.encode(), digest_size=8, key=secret[:64], person=b"sidecar-capture").digest()
    if int.from_bytes(digest, "big") >= share * 2**64:
        return False
    row.weight = 1 / share
    return True
