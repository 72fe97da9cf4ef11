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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from ..archive.places import Index, Place, Places
from ..guard import Guard
from ..journal import Read, read_at
from ..predictions import OutcomeRow, Prediction, each_row_of, exchange_of, unix_ns_of

MOST_LOOKED_AT: Final = 16  # calls that one label may be about: the newest with its request or key
_MOST_REMEMBERED: Final = 100_000  # rows, in what is remembered of calls

Which: TypeAlias = int | None  # a row of a call, or all of them


class Settled(NamedTuple):
    """`waiting`: what these are about may not have been read yet. `told` counts by what became of the rows."""

    outcomes: list[OutcomeRow]
    waiting: list[OutcomeRow]
    told: Counter[str]


class Labelled:
    """For one archiver. `guard_of` knows the policies of the calls' days. A call may have very many rows: no more than
    one of them is held at a time."""

    def __init__(
        self, journal: Path, places: Places, guard_of: Callable[[str], Guard | None], secret: bytes = b""
    ) -> None:
        self._journal = journal
        self._places = places
        self._guard_of = guard_of
        self._secret = secret
        self._noted: Place | None = None
        self._noted_key = ""
        self._ids: dict[Place, str] = {}
        self._calls: dict[Place, _Call] = {}
        self._remembered = 0

    def note(self, read: Read, at_unix_ns: int, row: Prediction, *, kept: bool, sampled: bool) -> None:
        """A row of a call, after the rows before it; when the call began, and whether its policy keeps but a part."""
        place = Place(read.stream, read.segment, read.offset)
        keys = []
        if place != self._noted:
            self._noted, self._noted_key = place, ""
            keys.append(f"p:{row.prediction_id}")
            if row.request_id:
                keys.append(f"r:{row.request_id}")
        if row.join_key and row.join_key != self._noted_key:
            self._noted_key = row.join_key
            keys.append(f"k:{row.join_key}")
        if not kept:
            keys.append(f"s:{row.prediction_id}/{row.row}")
        if keys:
            self._places.note(place, at_unix_ns, keys, sampled=sampled)

    def settle(
        self,
        labels: Iterable[OutcomeRow],
        all_read: Callable[[OutcomeRow], bool],
        bring: Callable[[Prediction], None],
    ) -> Settled:
        """What becomes of labels. `all_read`: whether everything that came before a label has been noted. `bring` is
        given the rows that come back."""
        settled = Settled([], [], Counter())
        samples = not self._places.empty
        index = self._places.index()
        asked: dict[tuple[Place, str], Counter[Which]] = {}
        for label in labels:
            if not (label.prediction_id or label.request_id or label.join_key):
                settled.outcomes.append(label)
                continue
            found = self._about(label, index)
            if found is None:
                (settled.outcomes if all_read(label) else settled.waiting).append(label)
                settled.told["gone"] += samples and all_read(label)
                continue
            place, prediction_id, which = found
            asked.setdefault((place, prediction_id), Counter())[which] += 1
            settled.outcomes.append(msgspec.structs.replace(label, kept_id=prediction_id))
        for (place, prediction_id), wanted in asked.items():
            useful = self._bring_back(place, prediction_id, wanted, index, bring)
            settled.told["brought_back"] += useful
            settled.told["kept"] += wanted.total() - useful
        self._ids.clear()
        self._calls.clear()
        self._remembered = 0
        return settled

    def _bring_back(
        self,
        place: Place,
        prediction_id: str,
        wanted: Counter[Which],
        index: Index,
        bring: Callable[[Prediction], None],
    ) -> int:
        """How many labels had something brought back: of several that ask for one row, the first."""
        order = {which: number for number, which in enumerate(wanted)}
        rows = [which for which in wanted if which is not None]
        if None not in wanted and not any(_missing(prediction_id, row, place, index) for row in rows):
            return 0
        useful: set[Which] = set()
        for row in self._rows(place):
            asking: list[Which] = [which for which in (None, row.row) if which in order]
            if asking and _missing(prediction_id, row.row, place, index):
                useful.add(min(asking, key=order.__getitem__))
                at = unix_ns_of(row.ts or "") or 0
                self._places.note(place, at, (f"b:{prediction_id}/{row.row}",), sampled=True)
                bring(msgspec.structs.replace(row, weight=0.0))
            if None not in order and row.row == max(rows):
                break
        return len(useful)

    def _about(self, label: OutcomeRow, index: Index) -> tuple[Place, str, Which] | None:
        """The prediction, and that of its rows, that a label joins as `archive.labels` joins it; None where no record
        of it is there."""
        if label.prediction_id:
            for place in index.places(f"p:{label.prediction_id}"):
                if self._id(place) == label.prediction_id:
                    return place, label.prediction_id, label.row
            return None
        key = f"r:{label.request_id}" if label.request_id else f"k:{label.join_key}"
        observed = label.observed_at
        best: tuple[str, str, Place, Which] | None = None
        seen: set[Place] = set()
        for place in index.places(key, unix_ns_of(observed) if observed else None):
            if place in seen:
                continue
            if len(seen) == MOST_LOOKED_AT:
                break
            seen.add(place)
            call = self._call(place)
            row = call.joined(label)
            if row is not None and (best is None or (call.ts, call.prediction_id) > best[:2]):
                best = call.ts, call.prediction_id, place, label.row if label.request_id else row
        return (best[2], best[1], best[3]) if best is not None else None

    def _id(self, place: Place) -> str:
        """Of the prediction at a place; "" where it has gone."""
        found = self._ids.get(place)
        if found is None:
            read = read_at(self._journal, *place)
            exchange = exchange_of(read) if read is not None else None
            found = self._ids[place] = exchange.prediction_id if exchange is not None else ""
        return found

    def _call(self, place: Place) -> _Call:
        call = self._calls.get(place)
        if call is None:
            call = _Call(self._rows(place))
            if self._remembered + len(call.delivers) > _MOST_REMEMBERED:
                self._calls.clear()
                self._remembered = 0
            self._remembered += len(call.delivers)
            self._calls[place] = call
        return call

    def _rows(self, place: Place) -> Iterator[Prediction]:
        """The rows of the call at a place; none where it has gone."""
        read = read_at(self._journal, *place)
        exchange = exchange_of(read) if read is not None else None
        if read is not None and exchange is not None:
            guard = self._guard_of(exchange.policy_digest) if exchange.policy_digest else None
            yield from each_row_of(read, guard, key=self._secret)


class _Call:
    """What labels of a request or a key join a call by."""

    __slots__ = ("delivers", "further", "of_key", "prediction_id", "request_id", "ts")

    def __init__(self, rows: Iterable[Prediction]) -> None:
        self.ts = self.prediction_id = self.request_id = ""
        self.delivers = bytearray()
        self.of_key: dict[str, int] = {}  # the first row that was delivered
        self.further: set[tuple[str, int]] = set()  # other rows with a key
        for row in rows:
            self.ts, self.prediction_id, self.request_id = row.ts or "", row.prediction_id, row.request_id
            self.delivers.append(row.delivers)
            if row.join_key and row.delivers and self.of_key.setdefault(row.join_key, row.row) != row.row:
                self.further.add((row.join_key, row.row))

    def joined(self, label: OutcomeRow) -> Which:
        """The first row that a label may be about; None where there is none."""
        if not self.ts or (label.observed_at is not None and self.ts > label.observed_at):
            return None
        if not label.request_id:
            key, first = label.join_key or "", self.of_key.get(label.join_key or "")
            return label.row if label.row is not None and (key, label.row) in self.further else _same(first, label.row)
        if label.request_id != self.request_id:
            return None
        if label.row is None:
            first = self.delivers.find(1)
            return first if first >= 0 else None
        return label.row if label.row < len(self.delivers) and self.delivers[label.row] else None


def _same(row: Which, wanted: Which) -> Which:
    return row if wanted in (None, row) else None


def _missing(prediction_id: str, row: int, place: Place, index: Index) -> bool:
    """Whether a row was not kept, and not brought back before."""
    name = f"{prediction_id}/{row}"
    return index.has(f"s:{name}", place) and not index.has(f"b:{name}", place)
