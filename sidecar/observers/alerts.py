"""Counts over windows against the limits of the policies in force: alerts that begin, and that end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from ..errors import JournalError, WireError
from ..exchange import Exchange, Kind
from ..journal import Cursor, Read
from ..predictions import moment
from ..predictions.watched import counted
from ..profiles import Alert, Counts, Profile, Run, Watching, standing, watched_kinds
from ..telemetry import series
from ..telemetry.exposition import Family
from .base import Context, StateFile

KEPT_WINDOWS: Final = 24  # streams are read one after another: rows may come late by this many windows
_PIECE: Final = 64  # records after which the others have their turn


class Raised(msgspec.Struct, frozen=True):
    """An alert that is on. `seen` and `limit` are shares, or seconds for `frozen`; times are of the rows meant."""

    feature: str
    alert: str
    seen: float
    limit: float
    rows: int
    from_seconds: float
    to_seconds: float
    since_seconds: float  # when the row came that raised it


class _Kept(msgspec.Struct):
    """One policy. `raised` and `total` are by code (`income.null_rate`)."""

    window_seconds: float
    newest: float = -math.inf
    counts: dict[float, dict[str, Counts]] = {}
    runs: dict[str, Run] = {}
    raised: dict[str, Raised] = {}
    total: dict[str, int] = {}


_decode: Final = msgspec.msgpack.Decoder(dict[str, _Kept]).decode


class _Watched:
    """One policy at work."""

    def __init__(self, watching: Watching, kept: _Kept) -> None:
        self.watching = watching
        self.kept = kept
        self.profile = Profile(watching.window_seconds, kept.counts, kept.runs)


class Alerts:
    """Repairs, nulls, unseen categories and frozen features over windows, where a policy in force asks for it."""

    kind: ClassVar[str] = "alerts"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE})
    commit_seconds = 5.0

    def __init__(self, context: Context) -> None:
        """`context.section`: `profiles.Watching` by the policy's name, of those in force that watch anything."""
        self._section: Mapping[str, Watching] = context.section or {}
        self._book = context.book
        self._log = context.log
        self._file = StateFile(context.data / "observers" / "alerts.state")
        self._policies: dict[str, _Watched] = {}
        self._shown: list[tuple[str, dict[str, Raised], dict[str, int]]] = []

    async def open(self) -> Cursor:
        """What is watched no more is let go of, its alerts with it."""
        try:
            cursor, state = await asyncio.to_thread(self._file.load)
            kept = _decode(state) if state else {}
        except (JournalError, msgspec.MsgspecError, TypeError, ValueError) as error:
            aside = self._file.path.with_suffix(".damaged")
            self._file.path.replace(aside)
            self._log("alerts.state_damaged", {"reason": str(error), "kept_as": str(aside)})
            cursor, kept = Cursor(), {}
        self._policies = {}
        for name, watching in self._section.items():
            before = kept.pop(name, None)
            same = before is not None and before.window_seconds == watching.window_seconds
            now = before if before is not None and same else _Kept(watching.window_seconds)
            if before is not None and not same:  # counts over other windows do not add; alerts go on
                now.raised, now.total, now.runs, now.newest = before.raised, before.total, before.runs, before.newest
            self._policies[name] = _Watched(watching, now)
            self._let_go(name, now, watching)
        for name, gone in kept.items():
            self._let_go(name, gone, None)
        self._show()
        return cursor

    async def take(self, batch: Sequence[Read]) -> None:
        touched: dict[str, set[str]] = {}
        for number, read in enumerate(batch):
            if number % _PIECE == _PIECE - 1:
                await asyncio.sleep(0)
            record = read.record
            if isinstance(record, Exchange) and record.policy_digest:
                self._exchange(record, read.payloads, touched)
        for name, features in touched.items():
            self._judge(name, features)

    async def commit(self, cursor: Cursor) -> None:
        """Windows, runs and alerts, together with the cursor."""
        state = msgspec.msgpack.encode({name: watched.kept for name, watched in self._policies.items()})
        await asyncio.to_thread(self._file.save, cursor, state)
        self._show()

    async def close(self) -> None:
        """Nothing is held open."""

    def families(self) -> list[Family]:
        """A series for each limit that is watched, as last committed."""
        active: list[tuple[tuple[str, ...], float | int]] = []
        total: list[tuple[tuple[str, ...], float | int]] = []
        for name, raised, totals in self._shown:
            for feature, limits in self._section[name].limits.items():
                for kind in watched_kinds(limits):
                    code = f"{feature}.{kind}"
                    active.append(((name, feature, kind), int(code in raised)))
                    total.append(((name, feature, kind), totals.get(code, 0)))
        made = ((series.ALERT_ACTIVE, active), (series.ALERTS_RAISED, total))
        return [Family(metric.name, metric.type, metric.help, metric.labels, tuple(found)) for metric, found in made]

    def snapshot(self) -> list[dict[str, Any]]:
        """The alerts that are on, as last committed: the newest first."""
        found = [
            {"policy": name, **self._facts(name, alert), "since": _time(alert.since_seconds)}
            for name, raised, _ in self._shown
            for alert in raised.values()
        ]
        return sorted(found, key=lambda each: str(each["since"]), reverse=True)

    # -- one record

    def _exchange(self, record: Exchange, payloads: Sequence[bytes], touched: dict[str, set[str]]) -> None:
        guard = self._book.guard(record.policy_digest)
        watched = self._policies.get(guard.identity.name) if guard is not None else None
        if guard is None or watched is None:
            return
        name, at = guard.identity.name, record.started_unix_ns / 1e9
        profile, kept = watched.profile, watched.kept
        oldest = kept.newest - KEPT_WINDOWS * profile.window_seconds
        if at < oldest:
            return
        if kept.newest < at:
            begun = kept.newest > 0 and profile.start(at) > profile.start(kept.newest)
            kept.newest = at
            if begun:  # a window is over: what it says is not lost in the next
                self._judge(name, watched.watching.limits)
                profile.forget(at - KEPT_WINDOWS * profile.window_seconds)
        try:
            found = counted(record, payloads, guard, watched.watching.limits)
        except WireError:
            return
        except Exception as error:  # a fault of our own must not stop the count of everything else
            self._log("alerts.failed", {"policy": name, "error": type(error).__name__})
            return
        for each in found:
            profile.count(each.feature, each.counts, at_seconds=at)
            for value, rows in each.held:
                profile.hold(each.feature, value, at_seconds=at, rows=rows)
        touched.setdefault(name, set()).update(each.feature for each in found)

    def _judge(self, name: str, features: Iterable[str]) -> None:
        watched = self._policies[name]
        kept, watching = watched.kept, watched.watching
        for feature in sorted(features):
            found = standing(
                watched.profile, feature, watching.limits[feature], min_rows=watching.min_rows, now_seconds=kept.newest
            )
            for kind, alert in found.items():
                code = f"{feature}.{kind}"
                before = kept.raised.get(code)
                if alert is None:
                    if before is not None:
                        self._clear(name, kept.raised.pop(code))
                    continue
                kept.raised[code] = now = _raised(alert, before.since_seconds if before is not None else kept.newest)
                if before is None:
                    kept.total[code] = kept.total.get(code, 0) + 1
                    self._log("alert.raised", {"policy": name, **self._facts(name, now)})

    def _let_go(self, name: str, kept: _Kept, watching: Watching | None) -> None:
        limits = watching.limits if watching is not None else {}
        known = {f"{feature}.{kind}" for feature, limit in limits.items() for kind in watched_kinds(limit)}
        for code in [code for code in kept.raised if code not in known]:
            self._clear(name, kept.raised.pop(code), "it is watched no more")

    def _clear(self, name: str, alert: Raised, reason: str = "") -> None:
        facts = {"policy": name, **self._facts(name, alert), "since": _time(alert.since_seconds)}
        self._log("alert.cleared", facts | ({"reason": reason} if reason else {}))

    def _facts(self, name: str, alert: Raised) -> dict[str, Any]:
        """What a person needs to know. `share` is of rows; a frozen feature has `held_seconds` in its place."""
        watching = self._section.get(name)
        owner, contact = watching.owners.get(alert.feature, ("", "")) if watching is not None else ("", "")
        return {
            "feature": alert.feature,
            "alert": alert.alert,
            "code": f"{alert.feature}.{alert.alert}",
            "held_seconds" if alert.alert == "frozen" else "share": alert.seen,
            "limit": alert.limit,
            "rows": alert.rows,
            "from": _time(alert.from_seconds),
            "to": _time(alert.to_seconds),
            "owner": owner,
            "contact": contact,
        }

    def _show(self) -> None:
        self._shown = [
            (name, dict(watched.kept.raised), dict(watched.kept.total)) for name, watched in self._policies.items()
        ]


def _raised(alert: Alert, since_seconds: float) -> Raised:
    return Raised(
        alert.feature, alert.kind, alert.seen, alert.limit, alert.rows, alert.from_seconds, alert.to_seconds,
        since_seconds,
    )  # fmt: skip


def _time(seconds: float) -> str:
    return moment(int(seconds * 1e9)) or ""


MEMBER = Alerts
