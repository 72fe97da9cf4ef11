"""The keys of one value → its compiled checks, with every key that cannot be meant reported at its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..rows import Value
from ..timestamps import seconds_of
from ..yamldoc import Plain, Unit
from ..yamldoc.scalars import spell
from . import checks as make
from .checks import Check, Checks
from .formats import FORMATS
from .kinds import COERCE, NUMERIC, Bad, Kind, Scalar, parse_kind, vector_coerce
from .literals import ValueSet, number, read, read_sentinel
from .patterns import PatternError, matcher
from .report import Report
from .sections import Checks as Keys

_ORDERED: Final = NUMERIC | {Scalar.TIMESTAMP}
_UNLISTED: Final = (Scalar.TIMESTAMP, Scalar.BYTES, Scalar.JSON)  # types whose values cannot be listed
_BOUNDS: Final[dict[str, Callable[[float, str], Check]]] = {
    "min": make.minimum,
    "max": make.maximum,
    "exclusive_min": make.exclusive_minimum,
    "exclusive_max": make.exclusive_maximum,
}


@dataclass(frozen=True, slots=True)
class Built:
    """The checks of one value and what compiling its actions needs to know."""

    kind: Kind
    checks: Checks
    sentinels: ValueSet
    allowed: tuple[Value, ...] | None  # `values`, typed
    low: Value  # the nearest values within the bounds, None where unbounded
    high: Value


def infer(keys: Keys, default: Plain | None) -> Kind:
    """The type that the checks speak of. Nothing said: any JSON value."""
    bounds = [plain for plain in (keys.min, keys.max, keys.exclusive_min, keys.exclusive_max) if plain is not None]
    if keys.pattern or keys.format:
        return Kind(Scalar.STRING)
    if getattr(keys, "role", "") == "timestamp" or keys.not_in_future or keys.max_age is not None:
        return Kind(Scalar.TIMESTAMP)
    if any(seconds_of(plain.text) is not None for plain in bounds):
        return Kind(Scalar.TIMESTAMP)
    if keys.values:
        classes = {read(plain, Kind(Scalar.JSON)).__class__ for plain in keys.values}
        whole = {frozenset({int}): Scalar.INT, frozenset({bool}): Scalar.BOOL}.get(frozenset(classes))
        return Kind(whole or (Scalar.FLOAT if classes <= {int, float} else Scalar.CATEGORY))
    if bounds or keys.multiple_of is not None or keys.finite is not None:
        return Kind(Scalar.FLOAT)
    if keys.min_length is not None or keys.max_length is not None:
        return Kind(Scalar.STRING)
    if default is not None:
        kind = read(default, Kind(Scalar.JSON)).__class__
        found = {bool: Scalar.BOOL, int: Scalar.FLOAT, float: Scalar.FLOAT, str: Scalar.STRING}.get(kind)
        return Kind(found or Scalar.JSON)
    return Kind(Scalar.JSON)


def build(keys: Keys, report: Report, default: Plain | None = None) -> Built | None:
    """Compile the checks; None when the type itself is unknown."""
    if keys.type:
        try:
            kind = parse_kind(keys.type)
        except ValueError as error:
            report.at("type").error("unknown-type", str(error))
            return None
    else:
        kind = infer(keys, default)
    _fits(keys, kind, report)
    found: list[Check] = []
    limits = _bounds(keys, kind, report, found)
    if keys.multiple_of is not None and kind.scalar in NUMERIC:
        step = _read_number(keys.multiple_of, report.at("multiple_of"))
        if step is not None and step <= 0:
            report.at("multiple_of").error("contradictory-bounds", "multiple_of must be above 0")
        elif step is not None:
            found.append(_lift(make.multiple_of(step, keys.multiple_of.text), kind))
    sentinels = _sentinels(keys, kind, report)
    _lengths(keys, kind, report, found)
    if keys.pattern and kind.scalar in (Scalar.STRING, Scalar.CATEGORY):
        try:
            found.append(_lift(make.matching(keys.pattern, matcher(keys.pattern)), kind))
        except PatternError as error:
            report.at("pattern").error("bad-pattern", str(error), error.hint)
    if keys.format and kind.scalar is Scalar.STRING:
        known = FORMATS[keys.format]
        found.append(_lift(make.formatted(known.sentence, known.holds), kind))
    if kind.scalar is Scalar.TIMESTAMP:
        if keys.not_in_future:
            found.append(make.not_in_future())
        if keys.max_age is not None:
            found.append(make.max_age(keys.max_age, spell(keys.max_age, Unit.DURATION)))
    _not_values(keys, kind, report, found)
    allowed = _values(keys, kind, report, found, sentinels)
    if kind.scalar is Scalar.CATEGORY and keys.values is None:
        report.error("no-values", "a category needs `values`", "list them, or use type: string")
    coerce = vector_coerce(kind) if kind.shape else COERCE[kind.scalar]
    finite = kind.scalar is Scalar.FLOAT and keys.finite is not False
    checks = Checks(kind, coerce, finite, tuple(found))
    low, high = _nearest(limits, kind)
    if low is not None and high is not None and low > high:
        upper = "max" if keys.max is not None else "exclusive_max"
        message = f"no value is within these bounds: {low} is the least and {high} the most"
        report.at(upper).error("contradictory-bounds", message, "are min and max the wrong way round?")
    return Built(kind, checks, sentinels, allowed, low, high)


def _lift(check: Check, kind: Kind, *, finite: bool = False) -> Check:
    if not kind.shape:
        return check
    return make.each_bound(check) if finite else make.each(check)


def _fits(keys: Keys, kind: Kind, report: Report) -> None:
    """Checks that a value of this type cannot have."""
    scalar = kind.scalar
    asked: list[tuple[str, bool, bool]] = [
        *[(name, getattr(keys, name) is not None, scalar in _ORDERED) for name in _BOUNDS],
        ("multiple_of", keys.multiple_of is not None, scalar in NUMERIC),
        ("pattern", bool(keys.pattern), scalar in (Scalar.STRING, Scalar.CATEGORY)),
        ("format", keys.format is not None, scalar is Scalar.STRING),
        ("values", keys.values is not None, scalar not in _UNLISTED),
        ("not_values", keys.not_values is not None, scalar not in _UNLISTED),
        ("min_length", keys.min_length is not None, bool(kind.shape) or scalar in (Scalar.STRING, Scalar.BYTES)),
        ("max_length", keys.max_length is not None, bool(kind.shape) or scalar in (Scalar.STRING, Scalar.BYTES)),
        ("finite", keys.finite is not None, scalar is Scalar.FLOAT),
        ("not_in_future", keys.not_in_future, scalar is Scalar.TIMESTAMP),
        ("max_age", keys.max_age is not None, scalar is Scalar.TIMESTAMP),
        ("missing_values", bool(keys.missing_values), not kind.shape),
    ]
    for name, present, fits in asked:
        if present and not fits:
            what = f"a vector of {scalar}" if kind.shape else f"an {scalar}" if scalar is Scalar.INT else f"a {scalar}"
            report.at(name).error(
                "check-does-not-fit", f"{what} cannot have `{name}`", "change the type or drop the key"
            )


def _read_number(plain: Plain, report: Report) -> int | float | None:
    try:
        return number(plain)
    except ValueError as error:
        report.error("bad-value", f"`{report.path[-1]}` {error}")
        return None


def _bounds(keys: Keys, kind: Kind, report: Report, found: list[Check]) -> dict[str, float]:
    """Bounds by name; timestamps in seconds."""
    limits: dict[str, float] = {}
    if kind.scalar not in _ORDERED:
        return limits
    for name, check in _BOUNDS.items():
        plain: Plain | None = getattr(keys, name)
        if plain is None:
            continue
        bound: float | None
        if kind.scalar is Scalar.TIMESTAMP:
            bound = seconds_of(plain.text)
            if bound is None:
                message = f"`{name}` must be an RFC 3339 timestamp with a zone, like 2026-01-31T12:00:00Z"
                report.at(name).error("bad-value", message)
        else:
            bound = _read_number(plain, report.at(name))
        if bound is not None:
            limits[name] = bound
            found.append(
                _lift(check(bound, plain.text), kind, finite=kind.scalar is Scalar.INT or keys.finite is not False)
            )
    return limits


def _nearest(limits: dict[str, float], kind: Kind) -> tuple[Value, Value]:
    """The smallest and the largest value within the bounds, in the type's own class; None where there is no bound."""
    whole = kind.scalar is Scalar.INT
    lows: list[float] = []
    highs: list[float] = []
    for name, bound in limits.items():
        side, up = (lows, True) if name.endswith("min") else (highs, False)
        if whole:
            edge: float = math.ceil(bound) if up else math.floor(bound)
            if name.startswith("exclusive") and edge == bound:
                edge += 1 if up else -1
        elif name.startswith("exclusive"):
            edge = math.nextafter(bound, math.inf if up else -math.inf)
        else:
            edge = float(bound) if abs(bound) <= 2**53 else bound
        side.append(edge)
    return (max(lows) if lows else None), (min(highs) if highs else None)


def _lengths(keys: Keys, kind: Kind, report: Report, found: list[Check]) -> None:
    noun = make.noun_of(kind)
    for name, length in (("min_length", keys.min_length), ("max_length", keys.max_length)):
        if length is not None and length < 0:
            report.at(name).error("contradictory-bounds", "a length is 0 or more")
        elif length is not None and (kind.shape or kind.scalar in (Scalar.STRING, Scalar.BYTES)):
            found.append(make.shortest(length, noun) if name == "min_length" else make.longest(length, noun))
    if keys.min_length is not None and keys.max_length is not None and keys.min_length > keys.max_length:
        report.at("min_length").error("contradictory-bounds", "min_length is above max_length")


def _sentinels(keys: Keys, kind: Kind, report: Report) -> ValueSet:
    values: list[Value] = []
    for position, plain in enumerate(keys.missing_values):
        try:
            values.append(read_sentinel(plain, kind))
        except ValueError as error:
            report.at("missing_values", position).error("bad-value", str(error))
    return ValueSet(values)


def _not_values(keys: Keys, kind: Kind, report: Report, found: list[Check]) -> None:
    """`not_values`, typed, and their check."""
    if not keys.not_values or kind.scalar in _UNLISTED:
        return
    refused: list[Value] = []
    for position, plain in enumerate(keys.not_values):
        place = report.at("not_values", position)
        try:
            value = read(plain, Kind(kind.scalar))
        except ValueError as error:
            place.error("bad-value", str(error))
            continue
        if value in ValueSet(refused):
            place.warning("duplicate-value", "this value is listed twice")
        elif not kind.shape and any(not check.holds(value, 0.0) for check in found):
            place.warning("unreachable-value", "another check refuses this value already", "drop it")
        refused.append(value)
    found.append(_lift(make.none_of(refused, ValueSet(refused)), kind))


def _values(
    keys: Keys, kind: Kind, report: Report, found: list[Check], sentinels: ValueSet
) -> tuple[Value, ...] | None:
    """`values`, typed, and their check; members that no row can have are pointed out."""
    if keys.values is None or kind.scalar in _UNLISTED:
        return None
    if not keys.values:
        report.at("values").error("no-values", "values is empty: no value could pass", "list the values allowed")
        return None
    element = Kind(kind.scalar)
    allowed: list[Value] = []
    seen = ValueSet(())
    for position, plain in enumerate(keys.values):
        place = report.at("values", position)
        try:
            value = read(plain, element)
        except ValueError as error:
            place.error("bad-value", str(error))
            continue
        if value in seen:
            place.warning("duplicate-value", "this value is listed twice")
            continue
        if not kind.shape:
            _reachable(value, found, sentinels, place)
        allowed.append(value)
        seen = ValueSet(allowed)
    found.append(_lift(make.one_of(allowed, seen), kind))
    return tuple(allowed)


def _reachable(value: Value, found: Sequence[Check], sentinels: ValueSet, place: Report) -> None:
    if value in sentinels:
        place.warning("unreachable-value", "missing_values turns this value into null first", "drop it from one list")
        return
    for check in found:
        if not check.holds(value, 0.0):
            place.warning("unreachable-value", f"`{check.name}` refuses this value", "drop it, or change the check")


def literal(plain: Plain, built: Built, report: Report) -> Value | Bad:
    """A value that a policy sets, which must hold the value's own checks. `Bad` when it is reported."""
    try:
        value = read(plain, built.kind)
    except ValueError as error:
        report.error("bad-value", f"`{report.path[-1]}` {error}")
        return Bad.TYPE
    timed = [check for check in built.checks.all if check.name not in ("not_in_future", "max_age")]
    static = Checks(built.kind, built.checks.coerce, built.checks.finite, tuple(timed))
    broken = static.broken(value, 0.0)
    if broken:
        sentences = static.sentences()
        message = (
            f"`{report.path[-1]}` {' and '.join(sentences[check] for check in broken)}, as all values of this name"
        )
        report.error("breaks-own-checks", message, "set a value that is allowed")
        return Bad.TYPE
    return value
