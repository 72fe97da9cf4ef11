"""Text ⇄ numbers with and without units. Each reader raises ValueError with a sentence for the file's author.

Nothing here knows YAML: `0123`, `1e5` or `12:30:00` mean what the field's type says, or are refused.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

from .vocabulary import Unit

_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?", re.ASCII)
_AMOUNT: Final = re.compile(r"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?) ?([A-Za-zµ%]*)", re.ASCII)
MAX_DIGITS: Final = 40

SECONDS: Final = {"us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60)} | {
    "h": Fraction(3600),
    "d": Fraction(86400),
}
BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MAX_INTEGER: Final = 2**63 - 1

PATTERNS: Final = {
    Unit.DURATION: r"^(0|[0-9]+(\.[0-9]+)? ?(us|ms|s|m|h|d))$",
    Unit.SIZE: r"^[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$",
    Unit.SHARE: r"^[0-9]+(\.[0-9]+)?%?$",
}


def integer(text: str) -> int:
    """`42`; not `0123`, `1e5`, `1_000`, `0x10`."""
    if len(text) > MAX_DIGITS or not _INT.fullmatch(text):
        raise ValueError(_digits_hint(text) or "expects a whole number")
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError("expects a whole number of at most 64 bits")
    return value


def number(text: str) -> float:
    """`0.5`, `5`, `1e5`; finite, without leading zeros."""
    if len(text) > MAX_DIGITS or not _FLOAT.fullmatch(text):
        raise ValueError(_digits_hint(text) or "expects a number")
    value = float(text)
    if math.isinf(value):
        raise ValueError("expects a number that fits a double")
    return value


def _digits_hint(text: str) -> str:
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        return "expects a number without leading zeros"
    if re.fullmatch(r"[-+]?[0-9][0-9_,]*", text) and len(text) <= MAX_DIGITS:
        return "expects a number written with digits alone"
    return ""


def amount(text: str, unit: Unit) -> float | int:
    """A duration in seconds, a size in bytes, or a share as a fraction."""
    match = _AMOUNT.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if unit is Unit.SHARE:
        return _share(match or (_AMOUNT.fullmatch(f"0{text}") if text[:1] == "." and len(text) <= MAX_DIGITS else None))
    table = SECONDS if unit is Unit.DURATION else BYTES
    example = "30s, 250ms, 48h" if unit is Unit.DURATION else "64MiB, 1GiB, 500kB"
    word = "duration" if unit is Unit.DURATION else "size"
    if match is None:
        raise ValueError(f"expects a {word} like {example}")
    digits, suffix = match.groups()
    if not suffix and (unit is Unit.SIZE or digits == "0"):
        suffix = "B" if unit is Unit.SIZE else "s"
    if not suffix:
        raise ValueError(f"expects a {word} with its unit, like {digits}s or {digits}ms")
    if suffix not in table:
        known = ", ".join(table)
        raise ValueError(f"expects a {word}; the unit is not one of {known}")
    value = Fraction(digits) * table[suffix]
    if unit is Unit.DURATION:
        return float(value)
    if value.denominator != 1 or value > MAX_INTEGER:
        raise ValueError("expects a size of whole bytes, of at most 64 bits")
    return int(value)


def _share(match: re.Match[str] | None) -> float:
    if match is None or match.group(2) not in ("", "%"):
        raise ValueError("expects a share like 5% or 0.05")
    share = Fraction(match.group(1)) / (100 if match.group(2) else 1)
    if share > 1:
        hint = "" if match.group(2) else f"; {match.group(1)} percent is {match.group(1)}%"
        raise ValueError(f"expects a share between 0% and 100%{hint}")
    return float(share)


def spell(value: float, unit: Unit | None) -> str:
    """The text that reads back as exactly this value."""
    if unit is Unit.DURATION:
        return _spell_duration(value)
    if unit is Unit.SIZE:
        for suffix in ("TiB", "GiB", "MiB", "KiB"):
            if value and value % BYTES[suffix] == 0:
                return f"{int(value) // BYTES[suffix]}{suffix}"
        return str(int(value))
    if unit is Unit.SHARE:
        percent = f"{float(value) * 100:g}%"
        return percent if "e" not in percent and _share(_AMOUNT.fullmatch(percent)) == value else _decimal(value)
    return str(value) if isinstance(value, int) else repr(value)


def _spell_duration(seconds: float) -> str:
    for suffix in ("d", "h", "m", "s", "ms", "us"):
        count = round(Fraction(seconds) / SECONDS[suffix])
        if float(count * SECONDS[suffix]) == seconds and (count or suffix == "s"):
            return f"{count}{suffix}"
    return f"{_decimal(seconds)}s"


def _decimal(value: float) -> str:
    """Shortest decimal form without an exponent."""
    text = repr(float(value))
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    digits = mantissa.replace(".", "").replace("-", "")
    return f"0.{'0' * (-int(exponent) - 1)}{digits}" if int(exponent) < 0 else str(int(value))
