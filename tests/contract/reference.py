"""A slow, obvious reading of the contract's semantics, to hold the compiled one against.

Features are plain dicts of YAML keys with typed values. Nothing is shared with the package but MISSING
and the parser of expressions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from sidecar.expression import ANY, LIST, NUMBER, TEXT, TRUTH, Type, category
from sidecar.expression.parser import parse
from sidecar.rows import MISSING
from tests.expression.reference import Interpreter

KEEP = object()
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
# Of the formats that generated features have, by other means than the package's.
FORMATS = {
    "date": lambda text: len(text) == 10 and _day(text),
    "uuid": lambda text: [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and set(text) <= set(HEX),
}
HEX = "-0123456789abcdefABCDEF"


def _day(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d").zfill(10) == text
    except ValueError:
        return False


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    if is_number(one) and is_number(other):
        return bool(one == other) or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)


# Every text in generated rows that is a timestamp; none of their other texts is one.
INSTANTS = {
    text: datetime.fromisoformat(text.upper().replace("Z", "+00:00")).timestamp()
    for text in (
        "2027-01-15T08:00:00Z",
        "2027-01-15t09:30:00.25+01:00",
        "2027-01-15 07:00:00-00:30",
        "2027-01-16T00:00:00Z",
        "2020-02-29T23:59:59Z",
    )
}


def type_of(value: Any, kind: str, *, finite: bool = True) -> str:
    """The check that a value breaks by its class alone, or ""."""
    if kind == "int":
        if not is_number(value):
            return "type"
        if isinstance(value, float) and not math.isfinite(value):
            return "finite"
        return "" if value == math.floor(value) else "type"
    if kind == "float":
        if not is_number(value):
            return "type"
        if not finite:
            return ""
        return "" if -1.7976931348623157e308 <= value <= 1.7976931348623157e308 else "finite"
    if kind == "timestamp":
        return "" if isinstance(value, str) and value in INSTANTS else "type"
    if kind == "bytes":
        return "" if isinstance(value, str | bytes) else "type"
    if kind == "bool":
        return "" if isinstance(value, bool) else "type"
    if kind == "string":
        return "" if isinstance(value, str) else "type"
    if kind == "category":
        return "" if isinstance(value, str) or is_number(value) or isinstance(value, bool) else "type"
    return ""


def scalar_checks(feature: Mapping[str, Any], value: Any) -> list[str]:
    broken = []
    if "min" in feature and value < feature["min"]:
        broken.append("min")
    if "max" in feature and value > feature["max"]:
        broken.append("max")
    if "exclusive_min" in feature and value <= feature["exclusive_min"]:
        broken.append("exclusive_min")
    if "exclusive_max" in feature and value >= feature["exclusive_max"]:
        broken.append("exclusive_max")
    if "not_in_future" in feature and value > NOW:
        broken.append("not_in_future")
    if "max_age" in feature and value < NOW - 3600:
        broken.append("max_age")
    if (
        "multiple_of" in feature
        and math.isfinite(value)
        and Fraction(repr(value)) % Fraction(repr(feature["multiple_of"])) != 0
    ):
        broken.append("multiple_of")
    if "min_length" in feature and len(value) < feature["min_length"]:
        broken.append("min_length")
    if "max_length" in feature and len(value) > feature["max_length"]:
        broken.append("max_length")
    if "pattern" in feature and not re.fullmatch(feature["pattern"], value):
        broken.append("pattern")
    if "format" in feature and not FORMATS[feature["format"]](value):
        broken.append("format")
    if any(same(value, refused) for refused in feature.get("not_values", [])):
        broken.append("not_values")
    if "values" in feature and not any(same(value, allowed) for allowed in feature["values"]):
        broken.append("values")
    return broken


def meant(feature: Mapping[str, Any], value: Any) -> Any:
    """The value that checks look at."""
    if feature["type"] == "timestamp":
        return INSTANTS[value]
    if feature["type"] == "bytes" and isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return value


def shaped(value: Any, shape: Sequence[int | None]) -> bool:
    """Whether nested lists are a full rectangle of these sizes; an empty list says nothing of what is inside it."""
    if not shape:
        return True
    if not isinstance(value, list) or (shape[0] is not None and len(value) != shape[0]):
        return False
    sizes = {len(inner) if isinstance(inner, list) else -1 for inner in value} if len(shape) > 1 else set()
    return len(sizes) < 2 and all(shaped(inner, shape[1:]) for inner in value) and even(value, len(shape))


def even(value: Any, depth: int) -> bool:
    """Whether all lists of one level have one length."""
    level = [value]
    for _ in range(depth - 1):
        level = [inner for one in level for inner in one]
        if len({len(one) for one in level}) > 1:
            return False
    return True


def elements(value: Any, depth: int) -> list[Any]:
    if depth == 1:
        return list(value)
    return [item for inner in value for item in elements(inner, depth - 1)]


def checks(feature: Mapping[str, Any], value: Any) -> list[str]:
    kind, _, size = feature["type"].partition("[")
    finite = feature.get("finite", True)
    if not size:
        wrong = type_of(value, kind, finite=finite)
        return [wrong] if wrong else scalar_checks(feature, meant(feature, value))
    if not isinstance(value, list):
        return ["type"]
    shape = [int(each) if each else None for each in size[:-1].split(",")]
    if not shaped(value, shape):
        return ["shape"]
    value = elements(value, len(shape))
    if any(isinstance(item, list) for item in value):
        return ["shape"]
    wrongs = {type_of(item, kind, finite=finite) for item in value}
    for wrong in ("type", "finite"):
        if wrong in wrongs:
            return [wrong]
    lengths = {key: feature[key] for key in ("min_length", "max_length") if key in feature}
    rest = {key: feature[key] for key in feature if key not in lengths}
    found = set(scalar_checks(lengths, value))
    for item in value:
        found |= set(scalar_checks(rest, item))
    order = ["min", "max", "exclusive_min", "exclusive_max", "multiple_of", "min_length", "max_length"]
    return sorted(found, key=[*order, "pattern", "format", "not_values", "values"].index)


def examine(feature: Mapping[str, Any], value: Any) -> tuple[list[tuple[str, str]], Any]:
    """[(check, applied)], the value sent (KEEP = as it came)."""
    sent = KEEP
    noted: list[tuple[str, str]] = []
    spelled = any(same(value, sentinel) for sentinel in feature.get("missing_values", []))
    if spelled:
        value = None
    required, nullable = feature.get("required", True), feature.get("nullable", False)
    broken: list[str]
    if (value is None or value is MISSING) and "default" in feature:
        if value is MISSING:
            noted.append(("required" if required else "default", "default"))
        else:
            noted.append(("default" if nullable else "null", "default"))
        value = sent = feature["default"]
        broken = checks(feature, value)
    elif value is MISSING:
        broken = ["required"] if required else []
    elif value is None:
        broken = [] if nullable else ["null"]
        if spelled and nullable and feature.get("role") != "key":
            noted.append(("missing_values", "set_null"))
            sent = None
    else:
        broken = checks(feature, value)
    if not broken:
        return noted, sent
    action = feature.get("on_violation", "reject")
    if isinstance(action, dict):
        return noted + [(check, "replace") for check in broken], action["replace"]
    if action == "set_null":
        return noted + [(check, action) for check in broken], None
    if action == "clamp":
        if not set(broken) <= {"min", "max"}:
            return noted + [(check, "reject") for check in broken], sent
        return noted + [(check, action) for check in broken], feature["min" if "min" in broken else "max"]
    return noted + [(check, action) for check in broken], sent


WEIGHT = {"reject": 5, "fallback": 4, "drop": 3, "clamp": 2, "replace": 2, "default": 2, "set_null": 2, "strip": 2}
WEIGHT["warn"] = 1


def repeats(feature: Mapping[str, Any], column: Sequence[Any]) -> list[int]:
    """The rows whose good value an earlier row has."""
    good: list[Any] = []
    found = []
    for row, value in enumerate(column):
        if value is None or value is MISSING or any(same(value, one) for one in feature.get("missing_values", [])):
            continue
        if checks(feature, value) or value != value:
            continue
        value = meant(feature, value)
        if any(same(value, other) for other in good):
            found.append(row)
        good.append(value)
    return found


INVALID = b"not for rules"


def settled(feature: Mapping[str, Any], value: Any) -> Any:
    """What rules see of one cell: the repaired value, None for null, INVALID for a bad one."""
    found, sent = examine(feature, value)
    if sent is not KEEP:
        return sent
    if value is None or value is MISSING or any(same(value, one) for one in feature.get("missing_values", [])):
        return None
    if found:
        return INVALID
    beyond = isinstance(value, float) and feature["type"] == "int" and abs(value) > 2**53
    return int(Fraction(repr(value))) if beyond else value


def kind_of(feature: Mapping[str, Any]) -> Type:
    """What an expression knows of a feature."""
    if "[" in feature["type"]:
        return LIST
    if feature["type"] == "category":
        return category(feature["values"])
    return {"int": NUMBER, "float": NUMBER, "bool": TRUTH, "string": TEXT}.get(feature["type"], ANY)


def broken_by(rule: Mapping[str, Any], contract: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row of settled values breaks a rule."""
    read = Interpreter({name: kind_of(feature) for name, feature in contract["features"].items()}, row)
    if "when" in rule and read.truth(parse(rule["when"])) is not True:
        return False
    return read.truth(parse(rule["expect"])) is False


def judge(contract: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What enforcing does with a batch."""
    worst = [0] * len(records)
    observed = [0] * len(records)
    codes: list[tuple[int, str, str]] = []
    changes: dict[tuple[int, str], Any] = {}
    unknown = contract.get("unknown_features", "ignore")
    for row, record in enumerate(records):
        for name, feature in contract["features"].items():
            found, sent = examine(feature, record.get(name, MISSING))
            for check, action in found:
                codes.append((row, f"{name}.{check}", action))
                worst[row] = max(worst[row], WEIGHT.get(action, 0))
            if sent is not KEEP:
                changes[row, name] = sent
        for name in record:
            if name not in contract["features"] and unknown != "ignore":
                codes.append((row, f"unknown.{name}", unknown))
                worst[row] = max(worst[row], WEIGHT.get(unknown, 0))
                if unknown == "strip":
                    changes[row, name] = MISSING
    values = [
        {name: settled(feature, record.get(name, MISSING)) for name, feature in contract["features"].items()}
        for record in records
    ]
    for name, feature in contract["features"].items():
        if not feature.get("unique"):
            continue
        action = feature.get("on_violation", "reject")
        for row in repeats(feature, [record.get(name, MISSING) for record in records]):
            codes.append((row, f"{name}.unique", action))
            worst[row] = max(worst[row], WEIGHT.get(action, 0))
            if action == "set_null":
                changes[row, name] = None
            values[row][name] = None if action == "set_null" else INVALID
    for rule in contract.get("rules", []):
        for row, cells in enumerate(values):
            if rule.get("mode") != "off" and broken_by(rule, contract, cells):
                codes.append((row, f"rule.{rule['id']}", rule["on_violation"]))
                weights = observed if rule.get("mode") == "observe" else worst
                weights[row] = max(weights[row], WEIGHT.get(rule["on_violation"], 0))
    rejected = [row for row, weight in enumerate(worst) if weight == 5]
    fallback = [row for row, weight in enumerate(worst) if weight == 4]
    dropped = [row for row, weight in enumerate(worst) if weight == 3]
    if contract.get("on_bad_rows") == "fallback" and len(records) > 1:
        fallback, rejected = sorted(fallback + rejected), []
    if contract.get("on_bad_rows") == "drop_rows" and len(records) > 1:
        dropped, rejected = sorted(dropped + rejected), []
    if rejected or len(dropped) == len(records):
        rejected, dropped = sorted(rejected + dropped), []
    outcome = "rejected" if rejected or dropped else "fallback" if fallback else ""
    outcome = outcome or ("repaired" if 2 in worst else "observed" if 1 in worst or any(observed) else "ok")
    if rejected:
        changes, fallback = {}, []
    return {
        "outcome": outcome,
        "codes": sorted(codes),
        "rejected": rejected,
        "fallback": fallback,
        "dropped": dropped,
        "changes": {place: value for place, value in changes.items() if place[0] not in {*fallback, *dropped}},
    }
