"""What a feature's checks allow, as a handful of values: a usual one, the edges, and values just outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ..contract.build import Built, build
from ..contract.formats import FORMATS
from ..contract.kinds import Kind, Scalar
from ..contract.report import Report
from ..contract.sections import ContractSection, Feature
from ..errors import SidecarError
from ..rows import Value, header_of
from .patterns import matching

LONGEST: Final = 10_000  # characters or items of a made value
MOST_EDGES: Final = 12
_FREE: Final = 3  # the length of a free dimension


class ProbeError(SidecarError):
    """The contract alone does not say what to send."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One feature. `usual` and `edges` hold every check of their own; `outside` is code → a value that breaks it."""

    name: str
    usual: Value
    edges: tuple[Value, ...]
    outside: tuple[tuple[str, Value], ...]
    required: bool
    nullable: bool
    from_header: bool

    @property
    def values(self) -> tuple[Value, ...]:
        """Everything within the contract, each once."""
        return _distinct([self.usual, *self.edges])


def samples_of(section: ContractSection, example: Mapping[str, Value], now_seconds: float) -> list[Samples]:
    """Samples of every feature that is looked at; `example` is a good row, where somebody gave one.

    ProbeError names a feature for which no good value can be made.
    """
    found = []
    for name, feature in section.features.items():
        if feature.role == "ignored" or feature.lifecycle == "planned":
            continue
        built = build(feature, Report(), feature.default)
        if built is None:
            raise ProbeError(f"`{name}` has no type that can be sampled; give a good row with --row")
        found.append(_samples(name, feature, built, example, now_seconds))
    return found


def _samples(name: str, feature: Feature, built: Built, example: Mapping[str, Value], now: float) -> Samples:
    def good(value: Value) -> bool:
        return value not in built.sentinels and not built.checks.broken(value, now)

    ways = [*([example[name]] if name in example else []), *_candidates(feature, built, now)]
    inside = [value for value in _distinct(ways) if good(value)]
    if not inside:
        raise ProbeError(
            f"no good value for `{name}` can be made from its checks; give one with --row '{{\"{name}\": …}}' or a file"
        )
    outside = [(f"{name}.{code}", value) for code, value in _outside(built) if not good(value)]
    return Samples(
        name=name,
        usual=inside[0],
        edges=tuple(inside[1 : MOST_EDGES + 1]),
        outside=tuple(outside),
        required=feature.required and feature.lifecycle == "active",
        nullable=feature.nullable,
        from_header=header_of(feature.from_) is not None,
    )


def _candidates(feature: Feature, built: Built, now: float) -> Iterator[Value]:
    """The usual value first. What breaks a check is sorted out by the caller."""
    kind = built.kind
    if kind.shape:
        scalars = list(_scalars(feature, built, Kind(kind.scalar), now))
        for size in (None, 1):
            for value in scalars[:3]:
                yield _filled(kind.shape, value, size or _free_length(feature))
        return
    yield from _scalars(feature, built, kind, now)


def _scalars(feature: Feature, built: Built, kind: Kind, now: float) -> Iterator[Value]:
    if built.allowed is not None:
        yield from built.allowed
        return
    match kind.scalar:
        case Scalar.INT | Scalar.FLOAT:
            yield from _numbers(feature, built, whole=kind.scalar is Scalar.INT)
        case Scalar.BOOL:
            yield from (True, False)
        case Scalar.STRING | Scalar.CATEGORY:
            yield from _texts(feature)
        case Scalar.TIMESTAMP:
            yield from _moments(feature, built, now)
        case Scalar.BYTES:
            yield from _texts(feature)
        case Scalar.JSON:
            yield from ("a", 1, True, {}, [])


def _numbers(feature: Feature, built: Built, *, whole: bool) -> Iterator[Value]:
    low, high = built.low, built.high
    step = float(feature.multiple_of.text) if feature.multiple_of is not None else (1 if whole else 0)
    if low is not None and high is not None:
        middle = low + (high - low) / 2
    elif low is not None:
        middle = low + 1
    elif high is not None:
        middle = high - 1
    else:
        middle = 1.0
    ways = [middle, low, high, 0, 1, -1]
    ways += [low + (step or 1) if low is not None else None, high - (step or 1) if high is not None else None]
    if not whole:
        ways += [0.1, math.nextafter(low, math.inf) if low is not None else None]
        ways.append(math.nextafter(high, -math.inf) if high is not None else None)
    if low is None:
        ways.append(-(2**31))
    if high is None:
        ways.append(2**31)
    for way in ways:
        if way is None or not math.isfinite(way):
            continue
        if step and feature.multiple_of is not None:
            yield from _on_step(way, step, whole=whole)
        yield math.floor(way) if whole else float(way)


def _on_step(value: float, step: float, *, whole: bool) -> Iterator[Value]:
    for count in (math.floor(value / step), math.ceil(value / step)):
        near = count * step
        yield int(near) if whole else float(f"{near:.12g}")


def _texts(feature: Feature) -> Iterator[Value]:
    if feature.format is not None:
        yield FORMATS[feature.format].example
    if feature.pattern:
        text = matching(feature.pattern)
        if text is not None:
            yield text
    shortest = feature.min_length or 0
    longest = min(feature.max_length if feature.max_length is not None else shortest + 20, LONGEST)
    usual = max(shortest, min(8, longest))
    for length in (usual, shortest, longest):
        yield "a" * length
    yield "é" * max(shortest, min(2, longest))  # characters are not bytes
    yield "0" * max(shortest, min(3, longest))  # a text that looks like a number


def _moments(feature: Feature, built: Built, now: float) -> Iterator[Value]:
    seconds = [now - 60, now - 3600, now]
    if feature.max_age is not None:
        seconds += [now - feature.max_age / 2, now - feature.max_age + 60]
    else:
        seconds += [0.0, now + 86400]
    seconds += [bound for bound in (built.low, built.high) if bound is not None]
    for moment in seconds:
        yield datetime.fromtimestamp(max(moment, 0), UTC).isoformat().replace("+00:00", "Z")


def _outside(built: Built) -> Iterator[tuple[str, Value]]:
    """One value for each way to be wrong that every server may meet."""
    kind = built.kind
    if kind.shape:
        yield "shape", []
        yield "type", "text"
        return
    low, high = built.low, built.high
    if kind.scalar in (Scalar.INT, Scalar.FLOAT):
        whole = kind.scalar is Scalar.INT
        if low is not None:
            yield "min", low - 1 if whole else low - max(1.0, abs(low) * 0.01)
        if high is not None:
            yield "max", high + 1 if whole else high + max(1.0, abs(high) * 0.01)
        yield "type", "text"
    elif kind.scalar in (Scalar.STRING, Scalar.CATEGORY):
        yield ("values" if built.allowed is not None else "type"), "\u2603 never seen"
        yield "type", 12345
    elif kind.scalar is Scalar.TIMESTAMP:
        yield "type", "yesterday"
    elif kind.scalar is Scalar.BOOL:
        yield "type", "yes"
    yield "null", None


def _free_length(feature: Feature) -> int:
    shortest = feature.min_length or 0
    longest = feature.max_length if feature.max_length is not None else max(shortest, _FREE)
    return min(max(shortest, min(_FREE, longest)), LONGEST)


def _filled(shape: tuple[int | None, ...], value: Value, free: int) -> Value:
    if not shape:
        return value
    size = free if shape[0] is None else shape[0]
    return [_filled(shape[1:], value, free) for _ in range(min(size, LONGEST))]


def _distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    """By class and value: 1, 1.0 and true are three values."""
    return tuple({(type(value).__name__, repr(value)): value for value in values}.values())
