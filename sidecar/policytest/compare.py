"""What was seen against what is expected: every difference, with the place of the expectation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..rows import Value
from ..yamldoc import Plain
from .document import Expect, RowExpect
from .values import same, shown, value_of

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RowSeen:
    """What became of one row. `sent` None: it was not sent; `delivered` None: null, or nothing was."""

    verdict: str
    codes: tuple[str, ...]
    sent: Mapping[str, Value] | None = None
    delivered: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a case. `counts`: rows by verdict and by code. `why`: the sentence of an unread body."""

    verdict: str = ""
    would: str = ""
    reason: str = ""
    codes: tuple[str, ...] = ()
    rows: tuple[RowSeen, ...] = ()
    status: int = 0
    alerts: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """One difference. `what` names it (`verdict`, `sent.occupation`, `rows[1].codes`); `path` leads to its key."""

    what: str
    expected: str
    actual: str
    path: Path
    hint: str = ""


def compare(expect: Expect, seen: Seen, path: Path) -> tuple[Failure, ...]:
    """Every difference, in the order of the keys."""
    return tuple(_differences(expect, seen, (*path, "expect")))


def _differences(expect: Expect, seen: Seen, path: Path) -> Iterator[Failure]:
    told = ", ".join(seen.codes)
    hint = seen.why or (f"because of {told}" if told else "")
    if expect.verdict is not None and not _fits(expect.verdict, seen.verdict):
        yield Failure("verdict", expect.verdict, seen.verdict, (*path, "verdict"), hint)
    if expect.would is not None and _word(expect.would) != seen.would:
        yield Failure("would", expect.would, seen.would, (*path, "would"), hint)
    if expect.reason is not None and expect.reason != seen.reason:
        yield Failure("reason", expect.reason, seen.reason or "none", (*path, "reason"), seen.why)
    if expect.codes is not None:
        yield from _codes("codes", expect.codes, seen.codes, (*path, "codes"))
    if expect.status is not None and expect.status != seen.status:
        yield Failure("status", str(expect.status), str(seen.status), (*path, "status"), hint)
    yield from _values("sent", expect.sent, [row.sent for row in seen.rows], (*path, "sent"), hint)
    for position, name in enumerate(expect.without):
        if any(row.sent is not None and name in row.sent for row in seen.rows):
            yield Failure(f"without {name}", "not sent", "sent", (*path, "without", position))
    for key, wanted in (("delivered", expect.delivered), ("prediction", expect.prediction)):
        yield from _values(key, wanted, [row.delivered for row in seen.rows], (*path, key), hint)
    if expect.rows is not None:
        yield from _rows(expect.rows, seen.rows, (*path, "rows"), hint)
    for name, number in (expect.counts or {}).items():
        actual = seen.counts.get(_word(name), 0)
        if actual != number:
            yield Failure(f"counts.{name}", str(number), str(actual), (*path, "counts", name), _counted(seen.counts))
    if expect.alerts is not None:
        yield from _codes("alerts", expect.alerts, seen.alerts, (*path, "alerts"))


def _word(word: str) -> str:
    return "rejected" if word == "reject" else word


def _fits(expected: str, seen: str) -> bool:
    """The record says `rejected` of what was dropped, too."""
    word = _word(expected)
    return word == seen or (word == "rejected" and seen == "dropped")


def _counted(counts: Mapping[str, int]) -> str:
    return "seen: " + (", ".join(f"{name} {number}" for name, number in counts.items()) or "nothing")


def _codes(what: str, expected: Sequence[str], actual: Sequence[str], path: Path) -> Iterator[Failure]:
    if set(expected) != set(actual):
        missing = sorted(set(expected) - set(actual))
        extra = sorted(set(actual) - set(expected))
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"unexpected {', '.join(extra)}"] if extra else []
        yield Failure(what, shown(sorted(set(expected))), shown(sorted(set(actual))), path, "; ".join(parts))


def _values(
    what: str,
    expected: Mapping[str, Plain] | None,
    rows: Sequence[Mapping[str, Value] | None],
    path: Path,
    hint: str,
) -> Iterator[Failure]:
    """Every row that there is must have these values; one must be there."""
    if expected is None:
        return
    present = [row for row in rows if row is not None]
    if not present:
        yield Failure(what, shown({name: value_of(plain) for name, plain in expected.items()}), "nothing", path, hint)
        return
    for name, plain in expected.items():
        wanted = value_of(plain)
        for row in present:
            if name not in row:
                near = f"there are: {', '.join(row)}" if row else ""
                yield Failure(f"{what}.{name}", shown(wanted), "missing", (*path, name), near)
                break
            if not same(wanted, row[name]):
                yield Failure(f"{what}.{name}", shown(wanted), shown(row[name]), (*path, name))
                break


def _rows(expected: Sequence[str | RowExpect], rows: Sequence[RowSeen], path: Path, hint: str) -> Iterator[Failure]:
    if len(expected) != len(rows):
        yield Failure("rows", f"{len(expected)} rows", f"{len(rows)} rows", path, hint)
        return
    for position, (wanted, row) in enumerate(zip(expected, rows, strict=True)):
        here, place = f"rows[{position}]", (*path, position)
        because = f"because of {', '.join(row.codes)}" if row.codes else ""
        section = wanted if isinstance(wanted, RowExpect) else None
        word = wanted if isinstance(wanted, str) else wanted.verdict
        if word is not None and not _fits(word, row.verdict):
            at = (*place, "verdict") if section is not None else place
            yield Failure(f"{here}.verdict", word, row.verdict, at, because)
        if section is None:
            continue
        if section.codes is not None:
            yield from _codes(f"{here}.codes", section.codes, row.codes, (*place, "codes"))
        yield from _values(f"{here}.sent", section.sent, [row.sent], (*place, "sent"), because)
        yield from _values(f"{here}.delivered", section.delivered, [row.delivered], (*place, "delivered"), because)
