"""A slow, obvious interpreter of the syntax tree, to hold both evaluations against. None is undecided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.expression import tree
from sidecar.expression.types import Kind, Type
from sidecar.rows import MISSING

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def cell(value: Any, kind: Kind) -> Any:
    """The value where it is of its declared kind, else None."""
    if type(value) is float and math.isnan(value):
        return None
    fits = {
        Kind.NUMBER: is_number(value),
        Kind.TEXT: type(value) is str,
        Kind.TRUTH: type(value) is bool,
        Kind.LIST: type(value) is list,
        Kind.ANY: is_number(value) or type(value) in (str, bool, list),
        Kind.MIXED: is_number(value) or type(value) in (str, bool),
        Kind.TIME: type(value) is str and value.endswith("Z"),
    }
    return value if fits[kind] else None


def when(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text.endswith("Z") and "T" in text else None
    except ValueError:
        return None


def name_of(node: tree.Node) -> str:
    assert isinstance(node, tree.Name)
    return ".".join(node.path)


class Interpreter:
    def __init__(self, types: Mapping[str, Type], row: Mapping[str, Any]) -> None:
        self.types = types
        self.row = row

    def kind(self, node: tree.Node) -> Kind:
        if isinstance(node, tree.Name):
            return self.types[name_of(node)].kind
        if isinstance(node, tree.Literal):
            return {bool: Kind.TRUTH, str: Kind.TEXT}.get(type(node.value), Kind.NUMBER)
        if isinstance(node, tree.Arithmetic | tree.Negative):
            return Kind.NUMBER
        if isinstance(node, tree.Call):
            given = {"lower": Kind.TEXT, "startswith": Kind.TRUTH, "is_weekday": Kind.TRUTH}
            return given.get(node.function, Kind.NUMBER)
        return Kind.TRUTH

    def value(self, node: tree.Node) -> Any:
        """What an operand is, whatever it should be."""
        if isinstance(node, tree.Literal):
            return node.value
        if isinstance(node, tree.Name):
            return cell(self.row.get(name_of(node), MISSING), self.kind(node))
        if isinstance(node, tree.Negative):
            operand = self.number(node.operand)
            return None if operand is None else -operand
        if isinstance(node, tree.Arithmetic):
            return self.computed(node)
        if isinstance(node, tree.Call):
            return self.called(node)
        return self.truth(node)

    def number(self, node: tree.Node) -> Any:
        value = self.value(node)
        return value if is_number(value) else None

    def text(self, node: tree.Node) -> Any:
        value = self.value(node)
        return value if type(value) is str else None

    def moment(self, node: tree.Node) -> Any:
        text = self.text(node)
        return None if text is None else when(text)

    def computed(self, node: tree.Arithmetic) -> float | None:
        left, right = self.number(node.left), self.number(node.right)
        if left is None or right is None:
            return None
        try:
            one, other = float(left), float(right)
        except OverflowError:
            return None
        if math.isinf(one) or math.isinf(other) or (node.sign in "/%" and other == 0):
            return None
        result: float
        match node.sign:
            case "+":
                result = one + other
            case "-":
                result = one - other
            case "*":
                result = one * other
            case "/":
                result = one / other
            case _:
                result = one % other
        return result if math.isfinite(result) else None

    def called(self, node: tree.Call) -> Any:
        first = node.arguments[0]
        match node.function:
            case "len":
                value = self.value(first)
                return len(value) if isinstance(value, str | list) else None
            case "lower":
                text = self.text(first)
                return None if text is None else text.lower()
            case "startswith":
                text, head = self.text(first), self.text(node.arguments[1])
                return None if text is None or head is None else text.startswith(head)
            case "year":
                moment = self.moment(first)
                return None if moment is None else moment.astimezone(UTC).year
            case "is_weekday":
                moment = self.moment(first)
                return None if moment is None else moment.astimezone(UTC).weekday() < 5
            case "days_between":
                one, other = self.moment(first), self.moment(node.arguments[1])
                if one is None or other is None:
                    return None
                return ((other - EPOCH) / timedelta(seconds=1) - (one - EPOCH) / timedelta(seconds=1)) / 86400
        numbers = [self.number(argument) for argument in node.arguments]
        if None in numbers:
            return None
        if node.function == "abs":
            return abs(numbers[0])
        return min(numbers) if node.function == "min" else max(numbers)

    def truth(self, node: tree.Node) -> bool | None:
        match node:
            case tree.Not():
                inner = self.truth(node.operand)
                return None if inner is None else not inner
            case tree.And():
                found = [self.truth(operand) for operand in node.operands]
                return False if False in found else None if None in found else True
            case tree.Or():
                found = [self.truth(operand) for operand in node.operands]
                return True if True in found else None if None in found else False
            case tree.IsNull():
                raw = self.row.get(name_of(node.operand), MISSING)
                return (raw is None or raw is MISSING) is not node.negated
            case tree.Among():
                return self.among(node)
            case tree.Comparison():
                pairs = zip(node.operands, node.operands[1:], node.signs, strict=False)
                found = [self.compared(left, right, sign) for left, right, sign in pairs]
                return False if False in found else None if None in found else True
        value = self.value(node)
        return value if type(value) is bool else None

    def among(self, node: tree.Among) -> bool | None:
        comparisons = [self.compared(node.operand, item, "==") for item in node.values]
        if True in comparisons:
            return not node.negated
        # Where some of the list is of the value's kind, it is not among them.
        return node.negated if False in comparisons else None

    def compared(self, left: tree.Node, right: tree.Node, sign: str) -> bool | None:
        kinds = {self.kind(left), self.kind(right)}
        if Kind.TIME in kinds:
            moments = [self.moment(left), self.moment(right)]
            return None if None in moments else bool(OPERATORS[sign](*moments))
        one, other = self.value(left), self.value(right)
        if one is None or other is None or isinstance(one, list) or isinstance(other, list):
            return None
        alike = is_number(one) == is_number(other) and (is_number(one) or type(one) is type(other))
        if not alike:
            if Kind.MIXED in kinds:
                return sign == "!="
            return None
        if type(one) is bool and sign not in ("==", "!="):
            return None
        return bool(OPERATORS[sign](one, other))


OPERATORS: dict[str, Any] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
