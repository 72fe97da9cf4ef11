"""Rows that `capture.sample` did not keep and a label asks for: found in the journal again, archived after all.

In: labels; the places of all calls that may have been sampled. Out: the labels, rows that were not kept, each once.

What they weigh. A row is kept with probability p until it has a label, and with probability 1 once it has. In the
files, `weight` is the coin's alone: 1/p where it kept the row, 0 where it did not and only the label brought the row
back, for those that the coin kept stand for it already. So the weights of any selection of rows add up to its size in
expectation (p · 1/p + (1 - p) · 0 = 1), labels joined or not. Where labels are joined, each labelled row weighs 1, as
all of them are there; but only if this one would have been found, had the coin not kept it: so what the coin kept is
looked for alike, and `kept_id` says that it was found. A label that comes after the journal has let go of the record
changes no weight: what the coin kept goes on standing for what it did not keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ..archive.places import Index, Place, Places
from ..guard import Guard
from ..journal import Read, read_at
from ..predictions import OutcomeRow, Prediction, exchange_of, rows_of, unix_ns_of

MOST_LOOKED_AT: Final = 16  # calls that one label may be about: the newest with its request or key
_MOST_REMEMBERED: Final = 256


class Settled(NamedTuple):
    """`waiting`: what these are about may not have been read yet. `told` counts by what became of the rows."""

    outcomes: list[OutcomeRow]
    rows: list[Prediction]
    waiting: list[OutcomeRow]
    told: Counter[str]


class Labelled:
    """For one archiver. `guard_of` knows the policies of the calls' days."""

    def __init__(
        self, journal: Path, places: Places, guard_of: Callable[[str], Guard | None], secret: bytes = b""
    ) -> None:
        self._journal = journal
        self._places = places
        self._guard_of = guard_of
        self._secret = secret
        self._read: dict[Place, list[Prediction]] = {}

    def note(self, read: Read, at_unix_ns: int, rows: Sequence[Prediction], dropped: Iterable[Prediction]) -> None:
        """A call, when it began, all its rows, and those that are not kept."""
        if not rows:
            return
        first = rows[0]
        keys = {f"p:{first.prediction_id}"}
        if first.request_id:
            keys.add(f"r:{first.request_id}")
        keys.update(f"k:{row.join_key}" for row in rows if row.join_key)
        keys.update(f"s:{row.prediction_id}/{row.row}" for row in dropped)
        self._places.note(Place(read.stream, read.segment, read.offset), at_unix_ns, keys)

    def settle(self, labels: Iterable[OutcomeRow], all_read: Callable[[OutcomeRow], bool]) -> Settled:
        """What becomes of labels. `all_read`: whether everything that came before a label has been noted."""
        settled = Settled([], [], [], Counter())
        samples = not self._places.empty
        index = self._places.index()
        brought: set[tuple[str, int]] = set()
        for label in labels:
            if not (label.prediction_id or label.request_id or label.join_key):
                settled.outcomes.append(label)
                continue
            found = self._about(label, index)
            if found is None:
                (settled.outcomes if all_read(label) else settled.waiting).append(label)
                settled.told["gone"] += samples and all_read(label)
                continue
            place, prediction_id, rows = found
            back = [row for row in rows if self._missing(row, place, index, brought)]
            for row in back:
                brought.add((row.prediction_id, row.row))
                self._places.note(place, unix_ns_of(row.ts or "") or 0, (f"b:{row.prediction_id}/{row.row}",))
                settled.rows.append(msgspec.structs.replace(row, weight=0.0))
            settled.told["brought_back" if back else "kept"] += 1
            settled.outcomes.append(msgspec.structs.replace(label, kept_id=prediction_id))
        self._read.clear()
        return settled

    def _missing(self, row: Prediction, place: Place, index: Index, brought: set[tuple[str, int]]) -> bool:
        name = f"{row.prediction_id}/{row.row}"
        return (
            index.has(f"s:{name}", place)
            and not index.has(f"b:{name}", place)
            and (row.prediction_id, row.row) not in brought
        )

    def _about(self, label: OutcomeRow, index: Index) -> tuple[Place, str, list[Prediction]] | None:
        """The prediction, and those of its rows, that a label joins as `archive.labels` joins it; None where no record
        of it is there."""
        if label.prediction_id:
            for place in index.places(f"p:{label.prediction_id}"):
                rows = self._rows(place)
                if rows and rows[0].prediction_id == label.prediction_id:
                    return place, label.prediction_id, _chosen(rows, label.row)
            return None
        key = f"r:{label.request_id}" if label.request_id else f"k:{label.join_key}"
        observed = label.observed_at
        best: tuple[tuple[str, str], Place, list[Prediction]] | None = None  # by (ts, prediction id)
        seen: set[Place] = set()
        for place in index.places(key, unix_ns_of(observed) if observed else None):
            if len(seen) == MOST_LOOKED_AT:
                break
            seen.add(place)
            rows = self._rows(place)
            joined = [row for row in rows if _joins(label, row)]
            if joined and (best is None or (joined[0].ts or "", joined[0].prediction_id) > best[0]):
                about = _chosen(rows, label.row) if label.request_id else joined[:1]
                best = ((joined[0].ts or "", joined[0].prediction_id), place, about)
        return (best[1], best[0][1], best[2]) if best is not None else None

    def _rows(self, place: Place) -> list[Prediction]:
        """The rows of the call at a place; [] where it has gone."""
        rows = self._read.get(place)
        if rows is None:
            read = read_at(self._journal, *place)
            exchange = exchange_of(read) if read is not None else None
            rows = []
            if read is not None and exchange is not None:
                guard = self._guard_of(exchange.policy_digest) if exchange.policy_digest else None
                rows = rows_of(read, guard, key=self._secret)
            if len(self._read) >= _MOST_REMEMBERED:
                self._read.clear()
            self._read[place] = rows
        return rows


def _chosen(rows: list[Prediction], row: int | None) -> list[Prediction]:
    return rows if row is None else [each for each in rows if each.row == row]


def _joins(label: OutcomeRow, row: Prediction) -> bool:
    """Whether a label of a request or a key may be about a row."""
    if not row.delivers or row.ts is None or (label.row is not None and label.row != row.row):
        return False
    if label.observed_at is not None and row.ts > label.observed_at:
        return False
    return row.request_id == label.request_id if label.request_id else row.join_key == label.join_key
