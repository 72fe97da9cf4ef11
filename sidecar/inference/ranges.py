"""Numbers seen → bounds that leave room: quantiles with a margin, sign and shares recognised."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Final

from .numbers import Number, Numbers
from .spelling import number

LOW_SHARE, HIGH_SHARE = 0.001, 0.999
# Rows → margin on either side, in spans between these quantiles: few rows have seen little of what there is.
MARGINS: Final = ((1000, Decimal("0.25")), (100, Decimal("0.5")), (0, Decimal(1)))
_SHARE_SPAN: Final = 0.5  # numbers within [0, 1] that fill half of it are taken for shares
_DIGITS: Final = 800  # enough for the sum of any two doubles, and for the longest whole number kept


def bounds(numbers: Numbers, *, whole: bool) -> tuple[dict[str, str], list[str]]:
    """`min` and `max` as YAML, and what was recognised. Every number seen is within them."""
    low, high = numbers.low, numbers.high
    if low is None or high is None:
        return {}, []
    if low == high:
        sign, why = _sign_alone(low, high)
        return sign, ["constant: nothing is known about its range", *why]
    if whole and low == 0 and high == 1:
        return {"min": "0", "max": "1"}, ["only 0 and 1: a flag?"]
    if not whole and low >= 0 and high <= 1 and high - low >= _SHARE_SPAN:
        return {"min": "0", "max": "1"}, ["within 0 and 1: taken for a share"]
    margin = next(share for rows, share in MARGINS if numbers.count >= rows)
    below, above = widened(low, high, numbers.quantile(LOW_SHARE), numbers.quantile(HIGH_SHARE), margin)
    why = ["never negative" if low >= 0 else "never positive"] if low >= 0 or high <= 0 else []
    keys = {}
    if (spelled := _outward(below, low, whole)) is not None:
        keys["min"] = spelled
    if (spelled := _outward(above, high, whole)) is not None:
        keys["max"] = spelled
    return keys, why


def sign_of(numbers: Numbers) -> dict[str, str]:
    """Only the sign, for numbers that go on growing."""
    return {} if numbers.low is None or numbers.high is None else _sign_alone(numbers.low, numbers.high)[0]


def _sign_alone(low: Number, high: Number) -> tuple[dict[str, str], list[str]]:
    if low >= 0:
        return {"min": "0"}, ["never negative"]
    return ({"max": "0"}, ["never positive"]) if high <= 0 else ({}, [])


def widened(
    low: Number, high: Number, low_quantile: Number, high_quantile: Number, margin: Decimal
) -> tuple[Decimal, Decimal]:
    """The quantiles and their margin, or the extremes where these are further out; never across zero; rounded outward
    to two digits of the span."""
    with localcontext() as context:
        context.prec = _DIGITS
        context.Emax, context.Emin = 9999, -9999
        least, most = Decimal(low), Decimal(high)
        first, last = Decimal(low_quantile), Decimal(high_quantile)
        span = last - first if last > first else most - least
        below, above = min(least, first - span * margin), max(most, last + span * margin)
        step = Decimal(10) ** (span.adjusted() - 1)
        below = (below / step).to_integral_value(ROUND_FLOOR) * step
        above = (above / step).to_integral_value(ROUND_CEILING) * step
        if low >= 0:
            below = max(below, Decimal(0))
        if high <= 0:
            above = min(above, Decimal(0))
        return below, above


def _outward(bound: Decimal, seen: Number, whole: bool) -> str | None:
    """The bound as YAML, never on the wrong side of what was seen; None where no double is that far out."""
    if whole:
        return str(int(bound.to_integral_value(ROUND_FLOOR if bound < seen else ROUND_CEILING)))
    try:
        value = float(bound)
    except OverflowError:
        return None
    if not math.isfinite(value):
        return None
    if (bound <= seen) != (value <= seen):  # rounded across the value itself
        return number(seen)
    value += 0.0  # no -0.0
    return number(int(value)) if value.is_integer() and abs(value) < 1e15 else number(value)


def spelled_number(value: Number) -> str | None:
    """A bound that somebody states, as YAML; None for what no policy can hold."""
    if type(value) is float and not math.isfinite(value):
        return None
    return number(int(value)) if float(value).is_integer() and abs(value) < 2**53 else number(value)
