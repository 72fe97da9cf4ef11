"""What a contract can say and hardly means, told as warnings: nothing here stops it from use."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final

from ..rows import Value
from .build import Built
from .kinds import NUMERIC, Scalar
from .literals import read_sentinel
from .report import Report
from .sections import Checks, Feature

# Keys that speak to readers, or mean something even where values are not checked.
_TOLD: Final = frozenset({"type", "required", "unit", "units", "description", "owner", "nullable"})
_PERSONAL_FORMATS: Final = frozenset({"email", "ipv4", "ipv6"})
# Names of columns that hold personal data wherever one meets them; whole words of a name, nothing cleverer.
_PERSONAL: Final = re.compile(
    r"(?:.*_)?(?:e_?mail|phone|phone_number|msisdn|ssn|social_security(?:_number)?|passport(?:_number)?|iban"
    r"|first_name|last_name|full_name|surname|given_name|family_name|maiden_name|date_of_birth|birth_?date|dob"
    r"|home_address|street_address|ip_address|national_id|tax_id|credit_card(?:_number)?|card_number)"
)


def of_value(keys: Checks, built: Built, report: Report) -> None:
    """A feature or prediction."""
    if keys.unit and keys.units and keys.unit != keys.units:
        message = f"`unit` says {keys.unit} and `units` says {keys.units}"
        report.at("units").warning("duplicate-key", message, "keep one")
    _sentinels(keys, built, report)


def _sentinels(keys: Checks, built: Built, report: Report) -> None:
    """A sentinel that is a good value too makes good values null."""
    bounded = built.kind.scalar in NUMERIC and built.low is not None and built.high is not None
    if built.kind.shape or not bounded or built.allowed is not None:
        return
    seen: list[Value] = []
    for position, plain in enumerate(keys.missing_values):
        place = report.at("missing_values", position)
        try:
            value = read_sentinel(plain, built.kind)
        except ValueError:
            continue
        if value in seen:
            place.warning("duplicate-value", "this value is listed twice")
        elif not built.checks.broken(value, 0.0):
            message = f"{plain.text} is within the range: a row that means the number loses it"
            place.warning("sentinel-in-range", message, "take it out, or narrow min and max")
        seen.append(value)


def of_ignored(feature: Feature, report: Report) -> None:
    """Checks on what is not checked."""
    fresh = Feature()
    for field in dataclasses.fields(Checks):
        if field.name not in _TOLD and getattr(feature, field.name) != getattr(fresh, field.name):
            message = f"`{field.name}` has no effect: a feature with `role: ignored` is not checked"
            report.at(field.name).warning("ignored-check", message, "drop the key, or the role")


def of_feature(name: str, feature: Feature, built: Built, report: Report) -> None:
    """A feature alone."""
    if feature.role == "timestamp" and (built.kind.scalar is not Scalar.TIMESTAMP or built.kind.shape):
        message = f"the time of the row's event is a timestamp, not {built.kind.sentence}"
        report.at("role").error("check-does-not-fit", message, "use type: timestamp, or another role")
    personal = feature.format in _PERSONAL_FORMATS or _PERSONAL.fullmatch(name.lower().replace("-", "_"))
    if personal and not feature.pii and feature.role != "slice_only":
        hint = "pii: true hashes it in everything that is kept"
        report.warning("personal-data", f"`{name}` looks like personal data and is kept as it comes", hint)


def of_features(features: Mapping[str, Feature], report: Report) -> None:
    """Features beside each other."""
    for name, first in _twice((name, feature.from_) for name, feature in features.items()):
        message = f"`{name}` and `{first}` are read from one place"
        report.at("features", name, "from").warning("one-place", message, "give each its own `from`, or keep one")
    timed = [name for name, feature in features.items() if feature.role == "timestamp"]
    for name in timed[1:]:
        message = f"`{timed[0]}` is the time of the row's event already"
        report.at("features", name, "role").warning("two-timestamps", message, "a row has one; drop one role")


def _twice(places: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    seen: dict[str, str] = {}
    for name, place in places:
        first = seen.setdefault(place.strip().lower(), name) if place else name
        if first != name:
            yield name, first
