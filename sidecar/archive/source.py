"""Journal and archive as one: every prediction row once, while the archiver goes on moving rows from one to the other.

manifests now → their files → frames of the journal that no manifest covers → files of manifests made meanwhile
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..exchange import Kind, PolicyPublished
from ..guard import Guard
from ..journal import Read, Reader
from ..journal.lock import is_written
from ..journal.reader import cursor_since
from ..predictions import (
    ControlRow,
    Opened,
    OpenStreams,
    OutcomeRow,
    Prediction,
    ShadowRow,
    control_of,
    exchange_of,
    interrupted_row,
    moment,
    outcome_of,
    rows_of,
    shadow_of,
)
from .labels import Labels
from .layout import is_archive
from .manifest import Manifest, Written, covered, read_manifests

R = TypeVar("R", bound=msgspec.Struct)
GuardOf = Callable[[str], Guard | None]
_SLACK_NS = 1_000_000_000


class Source:
    """What was recorded. Either place may be missing. `learn` is told every policy before the rows it judges.

    `archiver` is the one that reads this journal (`layout.archiver_of`), None where nobody else writes to the archive:
    streams of all replicas have the same names, and of answers that others left without an end nothing is told here.
    """

    def __init__(
        self,
        journal: Path | None,
        archive: Path | None,
        guard_of: GuardOf,
        learn: Callable[[Read], None],
        secret: bytes = b"",
        archiver: str | None = None,
    ) -> None:
        self._journal = journal
        self._archive = archive if archive is not None and is_archive(archive) else None
        self._guard_of = guard_of
        self._learn = learn
        self._secret = secret
        self._archiver = archiver
        self._labels: tuple[int | None, Labels] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is neither."""
        return self._archive is None and not (self._journal is not None and self._journal.is_dir())

    def predictions(
        self, *, since_ns: int | None = None, until_ns: int | None = None, about: str = ""
    ) -> Iterator[Prediction]:
        """Rows with their labels. `about` is a prediction, request or trace id."""
        self.learn_policies()
        labels = self._settled(since_ns)
        for row in self._rows(since_ns, until_ns, about):
            yield labels.join(row)

    def rows(self, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Prediction]:
        """Rows without their labels, read from the segments and files of their time alone. Policies must be known."""
        return self._rows(since_ns, until_ns, "")

    def labels(self, since_ns: int | None = None) -> Labels:
        """Labels and candidates' answers received since a moment: none comes before its prediction."""
        labels, manifests = Labels(), self._manifests(since_ns)
        outcomes = list(self._files(manifests, "outcomes", OutcomeRow, since_ns, None, ""))
        outcomes += [outcome for manifest in _last(manifests) for outcome in manifest.waiting]
        for shadow in self._files(manifests, "shadows", ShadowRow, since_ns, None, ""):
            labels.add_shadow(shadow)
        for read in self._uncovered(manifests):
            if read.kind == Kind.FEEDBACK and (outcome := outcome_of(read, key=self._secret)) is not None:
                outcomes.append(outcome)
            elif read.kind == Kind.SHADOW:
                guard = self._guard_of(getattr(read.record, "policy_digest", ""))
                if (shadow_row := shadow_of(read, guard, key=self._secret)) is not None:
                    labels.add_shadow(shadow_row)
        for outcome in sorted(outcomes, key=lambda each: each.ts or ""):
            labels.add(outcome)
        return labels

    def labels_of(self, prediction_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Every label of some predictions, in the order received, superseded ones too."""
        labels = self._settled(None)
        return {each: [_label(outcome) for outcome in labels.of(each)] for each in prediction_ids}

    def _settled(self, since_ns: int | None) -> Labels:
        if self._labels is None or self._labels[0] != since_ns:
            labels = self.labels(since_ns)
            if labels.needs_look:
                labels.look(self._rows(None, None, ""))
                labels.settle()
            self._labels = (since_ns, labels)
        return self._labels[1]

    def learn_policies(self) -> None:
        """Every policy that either place has."""
        for row in self.control():
            if row.kind == "policy" and row.document:
                record = PolicyPublished(digest=row.digest, name="", version="", published_unix_ns=0)
                self._learn(Read(Kind.POLICY, record, b"", (row.document.encode(),), "", "", 0, 0, "", ""))

    def control(self) -> Iterator[ControlRow]:
        """Policies, transitions and gaps."""
        manifests = self._manifests(None)
        yield from self._files(manifests, "control", ControlRow, None, None, "")
        for read in self._uncovered(manifests):
            if (row := control_of(read)) is not None:
                yield row

    def frames(self, about: str) -> Iterator[Read]:
        """Frames of the journal with this prediction, request or trace id."""
        for read in self._reads():
            if about in _ids(exchange_of(read) or read.record):
                yield read

    def _rows(self, since_ns: int | None, until_ns: int | None, about: str) -> Iterator[Prediction]:
        def wanted(row: Prediction) -> bool:
            if about and about not in _ids(row):
                return False
            return (since is None or (row.ts or since) >= since) and (until is None or (row.ts or until) <= until)

        since = None if since_ns is None else moment(since_ns)
        until = None if until_ns is None else moment(until_ns)
        manifests = self._manifests(since_ns)
        seen = {(manifest.replica, manifest.sequence) for manifest in manifests}
        yield from filter(wanted, self._files(manifests, "predictions", Prediction, since_ns, until_ns, about))
        told: set[str] = set()
        streams = OpenStreams(_opened(manifests, self._archiver))
        stretches = covered(manifests)
        for read in self._reads(since_ns):
            if _is_covered(read, stretches):
                continue  # what its archiver left without an end, it says
            for row in (interrupted_row(each, self._guard_of) for each in streams.take(read)):
                told.add(row.prediction_id)
                yield from filter(wanted, (row,))
            exchange = exchange_of(read)
            if exchange is None or (about and about not in _ids(exchange)):
                continue
            told.add(exchange.prediction_id)
            guard = self._guard_of(exchange.policy_digest) if exchange.policy_digest else None
            yield from filter(wanted, rows_of(read, guard, key=self._secret))
        for each in self._left_behind(streams):
            told.add(each.record.prediction_id)
            yield from filter(wanted, (interrupted_row(each, self._guard_of),))
        meanwhile = [each for each in self._manifests(since_ns) if (each.replica, each.sequence) not in seen]
        for row in self._files(meanwhile, "predictions", Prediction, since_ns, until_ns, about):
            if row.prediction_id not in told and wanted(row):
                yield row

    def _manifests(self, since_ns: int | None) -> list[Manifest]:
        """A commit is never older than its rows, so older days have nothing of what is wanted; but they cover frames of
        the journal, so a filter by day is only safe when frames are filtered by time as well."""
        if self._archive is None:
            return []
        day = (moment(since_ns) or "")[:10] if since_ns is not None else ""
        return list(read_manifests(self._archive, since_day=day))

    def _files(
        self,
        manifests: list[Manifest],
        data_set: str,
        kind: type[R],
        since_ns: int | None,
        until_ns: int | None,
        about: str,
    ) -> Iterator[R]:
        if self._archive is None:
            return
        from .tables import read_parquet

        for manifest in manifests:
            for file in manifest.files:
                if file.data_set == data_set and _may_hold(file, since_ns, until_ns):
                    try:
                        yield from read_parquet(self._archive / file.path, kind, about=about)
                    except FileNotFoundError:
                        continue  # retention has taken it

    def _left_behind(self, streams: OpenStreams) -> Iterator[Opened]:
        """Answers without an end in streams that nobody writes now: no later frame says so yet."""
        if self._journal is None or not self._journal.is_dir():
            return
        for stream in {each.stream for each in streams.opened}:
            if not is_written(self._journal / stream):
                yield from streams.abandon(stream)

    def _uncovered(self, manifests: list[Manifest]) -> Iterator[Read]:
        stretches = covered(manifests)
        for read in self._reads():
            if not _is_covered(read, stretches):
                yield read

    def _reads(self, since_ns: int | None = None) -> Iterator[Read]:
        """Frames; those of calls that began since a moment are all among them."""
        if self._journal is not None and self._journal.is_dir():
            cursor = cursor_since(self._journal, since_ns - _SLACK_NS) if since_ns is not None else None
            yield from Reader(self._journal, cursor).read()


def _is_covered(read: Read, stretches: Mapping[tuple[str, str, str], list[tuple[int, int]]]) -> bool:
    place = (read.replica, read.stream, read.segment)
    return any(first <= read.offset <= last for first, last in stretches.get(place, ()))


def _opened(manifests: list[Manifest], archiver: str | None) -> Iterator[Opened]:
    """What the last commit of this journal's archiver left without an end."""
    for manifest in _last(manifests):
        if archiver is None or manifest.replica == archiver:
            yield from manifest.opened


def _last(manifests: list[Manifest]) -> Collection[Manifest]:
    """Of each archiver."""
    last: dict[str, Manifest] = {}
    for manifest in manifests:
        if manifest.replica not in last or last[manifest.replica].sequence < manifest.sequence:
            last[manifest.replica] = manifest
    return last.values()


def _ids(record: object) -> tuple[object, ...]:
    return tuple(getattr(record, name, None) for name in ("prediction_id", "request_id", "trace_id"))


def _label(outcome: OutcomeRow) -> dict[str, Any]:
    return {
        "row": outcome.row,
        "label": outcome.label,
        "observed_at": outcome.observed_at,
        "ts": outcome.ts,
        "exposed": outcome.exposed,
    }


def _may_hold(file: Written, since_ns: int | None, until_ns: int | None) -> bool:
    if since_ns is not None and file.last_unix_ns + _SLACK_NS < since_ns:
        return False
    return until_ns is None or file.first_unix_ns - _SLACK_NS <= until_ns
