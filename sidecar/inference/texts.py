"""One text → what it looks like: a number, a date in which format, personal data, a word for "nothing"."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from ..timestamps import seconds_of


class Look(StrEnum):
    """What a text looks like; the first that fits."""

    EMPTY = "empty"
    WHOLE = "whole"  # a whole number
    REAL = "real"  # any other number
    LED = "led"  # digits after a leading zero: an identifier, not a number
    TRUTH = "truth"
    NOTHING = "nothing"  # a word for a value that is not there
    STAMP = "stamp"  # RFC 3339 with a zone
    DATE = "date"  # any other date
    UUID = "uuid"
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    SSN = "ssn"
    CARD = "card"
    ADDRESS = "address"  # of a machine
    HIDDEN = "hidden"  # a keyed hash that a policy put in place of the value
    COMMA = "comma"  # a number with a decimal comma
    GROUPED = "grouped"  # a number whose thousands are parted by commas
    EITHER = "either"  # one comma before three digits: 1,100 is a thousand and more, or little above one
    WORDS = "words"  # anything else


class Seen(NamedTuple):
    """`number` is set for WHOLE and REAL; `form` names the format of a DATE or STAMP, `year` its year."""

    look: Look
    number: int | float | None = None
    form: str = ""
    year: int = 0


PERSONAL: Final = frozenset({Look.EMAIL, Look.PHONE, Look.IBAN, Look.SSN, Look.CARD, Look.ADDRESS})
LABELS: Final = {
    Look.EMAIL: "e-mail addresses",
    Look.PHONE: "phone numbers",
    Look.IBAN: "bank accounts (IBAN)",
    Look.SSN: "social security numbers",
    Look.CARD: "payment cards",
    Look.ADDRESS: "network addresses",
}
# Words for nothing wherever they stand, and those that mean it only among numbers: NA is also Namibia.
NOTHING: Final = frozenset({"N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "Null", "None", "<NA>", "NaT"})
NOTHING_AMONG_NUMBERS: Final = NOTHING | {"NA", "na", "-", "--", "?", ".", "missing", "unknown", "inf", "-inf"}
TRUTHS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Days that systems write where there is none.
NO_DAY: Final = frozenset({"1970-01-01", "1900-01-01", "0001-01-01", "9999-12-31", "01/01/1970", "01/01/1900"})

_NUMBER: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?|-?(\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII
)
_LED: Final = re.compile(r"0[0-9]+", re.ASCII)
_CLOCK: Final = r"[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_CASUAL_CLOCK: Final = (
    r" [0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?: ?[AaPp][Mm])?"  # as spreadsheets write it
)
_ZONE: Final = r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
_STAMP: Final = re.compile(
    rf"([0-9]{{4}})-[0-9]{{2}}-[0-9]{{2}}[Tt ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?{_ZONE}"
)
_DATES: Final = tuple(
    (form, re.compile(pattern), pattern.replace("(", "(?:").replace("(?:?:", "(?:"))
    for form, pattern in (
        ("YYYY-MM-DD", r"([0-9]{4})-[0-9]{2}-[0-9]{2}"),
        ("YYYY-MM-DD hh:mm without zone", rf"([0-9]{{4}})-[0-9]{{2}}-[0-9]{{2}}{_CLOCK}"),
        ("DD/MM/YYYY or MM/DD/YYYY", r"[0-9]{1,2}/[0-9]{1,2}/([0-9]{4})"),
        ("DD/MM/YYYY hh:mm or MM/DD/YYYY hh:mm", rf"[0-9]{{1,2}}/[0-9]{{1,2}}/([0-9]{{4}}){_CASUAL_CLOCK}"),
        ("DD.MM.YYYY hh:mm", rf"[0-9]{{1,2}}\.[0-9]{{1,2}}\.([0-9]{{4}}){_CASUAL_CLOCK}"),
        ("DD.MM.YYYY", r"[0-9]{1,2}\.[0-9]{1,2}\.([0-9]{4})"),
        ("DD-MM-YYYY", r"[0-9]{2}-[0-9]{2}-([0-9]{4})"),
        ("YYYY/MM/DD", r"([0-9]{4})/[0-9]{2}/[0-9]{2}"),
        ("DD Mon YYYY", r"[0-9]{1,2}[ -][A-Z][a-z]{2}[ -]([0-9]{4})"),
    )
)
_RULES: Final = (
    (Look.UUID, re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    (Look.EMAIL, re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    (Look.SSN, re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}")),
    (Look.IBAN, re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?")),
    (Look.PHONE, re.compile(r"(?:\+|00|\()[0-9][0-9 ()/.-]{5,20}[0-9]")),
    (Look.ADDRESS, re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")),
    (Look.EITHER, re.compile(r"-?[1-9][0-9]{0,2},[0-9]{3}")),
    (Look.GROUPED, re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]{1,12})?")),
    (Look.COMMA, re.compile(r"-?[0-9]{1,12},[0-9]{1,12}")),
    (Look.HIDDEN, re.compile(r"hash:[0-9a-f]{32}")),
)
_CARD: Final = re.compile(r"(?:[0-9][ -]?){12,18}[0-9]")
_MOST_DIGITS: Final = 300
_LONGEST: Final = 320


def pattern_of(form: str) -> str:
    """The RE2 pattern of a date's format, which every text that was read as this format matches."""
    return next(pattern for name, _, pattern in _DATES if name == form)


@lru_cache(maxsize=8192)
def look_at(text: str) -> Seen:
    """What one text looks like."""
    if not text:
        return Seen(Look.EMPTY)
    if len(text) > _LONGEST:
        return Seen(Look.WORDS)
    number = _number(text)
    if number is not None:
        return Seen(Look.CARD) if number.look is Look.WHOLE and _is_card(text) else number
    if text in TRUTHS:
        return Seen(Look.TRUTH)
    if text in NOTHING_AMONG_NUMBERS:
        return Seen(Look.NOTHING)
    if _LED.fullmatch(text):
        return Seen(Look.LED)
    return _date(text) or _rule(text)


def _number(text: str) -> Seen | None:
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > _MOST_DIGITS:
        return None
    if any(match.groups()):
        value = float(text)
        return Seen(Look.REAL, value) if math.isfinite(value) else None
    return Seen(Look.WHOLE, int(text))


def _date(text: str) -> Seen | None:
    stamp = _STAMP.fullmatch(text)
    if stamp is not None and seconds_of(text) is not None:
        return Seen(Look.STAMP, form="RFC 3339", year=int(stamp[1]))
    for form, pattern, _ in _DATES:
        match = pattern.fullmatch(text)
        if match is not None:
            return Seen(Look.DATE, form=form, year=int(match[1]))
    return None


def _rule(text: str) -> Seen:
    for look, pattern in _RULES:
        if pattern.fullmatch(text):
            return Seen(look)
    return Seen(Look.CARD) if _CARD.fullmatch(text) and _is_card(text) else Seen(Look.WORDS)


def _is_card(text: str) -> bool:
    """Thirteen to nineteen digits with the check digit of ISO/IEC 7812-1."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] == 0:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


_PERSONAL_NAMES: Final = re.compile(
    r"(?:^|_)(?:ssn|social_security|e?mail|email_address|phone|telephone|mobile|cell|fax|iban|bic|msisdn|passport|first_?name"
    r"|last_?name|sur_?name|full_?name|given_?name|family_?name|maiden_?name|customer_?name|birth_?(?:date|day|place)"
    r"|date_of_birth|dob|street|home_address|address|credit_?card|card_?(?:number|no)|ip_?(?:address|addr)?|tax_?id"
    r"|national_?id|driver_?licen[cs]e|licen[cs]e_?plate|geburtsdatum|vorname|nachname|strasse|telefon)(?:_|$)"
)
_KEY_NAMES: Final = re.compile(r"(?:^|_)(?:id|ids|uuid|guid|uid|key|identifier|number|no|nr|ref|reference)$")


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:200]).lower())


def sounds_personal(name: str) -> bool:
    """Whether a column's name says that it holds personal data."""
    return _PERSONAL_NAMES.search(_snake(name)) is not None


def sounds_like_key(name: str) -> bool:
    """Whether a column's name says that it names something."""
    return _KEY_NAMES.search(_snake(name)) is not None
