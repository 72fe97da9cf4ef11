"""Syntax tree + declared types → meaning, or what cannot be meant and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from ..rows import Value
from ..timestamps import seconds_of
from ..yamldoc import nearest
from . import tree
from .fault import ExpressionError, UnknownNameError
from .functions import FUNCTIONS, signature
from .meaning import (
    Apply,
    Cast,
    Compare,
    Compute,
    Const,
    Contains,
    Load,
    Meaning,
    Member,
    Minus,
    Null,
    every,
    inverse,
    parts,
    some,
)
from .scalars import same
from .types import CALLED, NUMBER, TEXT, TRUTH, Environment, Kind, Type

_STAMP: Final = "2026-01-31T12:00:00Z"
Fold = Callable[[Meaning], Value]


class Checker:
    """One expression against one environment. `fold` works out a meaning without names."""

    def __init__(self, text: str, environment: Environment, fold: Fold) -> None:
        self._text = text
        self._environment = environment
        self._fold = fold

    def condition(self, node: tree.Node) -> Meaning:
        """The meaning of a node that must be true or false."""
        found, declared = self._typed(node)
        if declared.kind is Kind.TRUTH:
            return found
        if declared.kind is Kind.ANY:
            return Cast(Kind.TRUTH, found)
        self._fail(f"`{self._source(node)}` is {CALLED[declared.kind]}: compare it with something", node.end)

    def _typed(self, node: tree.Node) -> tuple[Meaning, Type]:
        match node:
            case tree.Literal():
                return self._literal(node)
            case tree.Name():
                key, declared = self._find(node)
                return Load(declared.kind, key), declared
            case tree.Negative():
                return self._known(Minus(Kind.NUMBER, self._of_kind(node.operand, Kind.NUMBER))), NUMBER
            case tree.Arithmetic():
                left, right = self._of_kind(node.left, Kind.NUMBER), self._of_kind(node.right, Kind.NUMBER)
                if node.sign in "/%" and isinstance(right, Const) and right.value == 0:
                    self._fail("nothing is divided by zero: this would never be decided", node.right.at)
                return self._known(Compute(Kind.NUMBER, node.sign, left, right)), NUMBER
            case tree.Call():
                return self._call(node)
            case tree.Comparison():
                return self._comparison(node), TRUTH
            case tree.Among():
                return self._membership(node), TRUTH
            case tree.IsNull():
                if not isinstance(node.operand, tree.Name):
                    hint = "what is computed is undecided where one of its parts is null"
                    self._fail(f"`{self._source(node.operand)}` is no name: only names can be null", node.at, hint)
                key, _ = self._find(node.operand)
                return Null(Kind.TRUTH, key, node.negated), TRUTH
            case tree.Not():
                return inverse(self.condition(node.operand)), TRUTH
            case tree.And():
                return every(tuple([self.condition(operand) for operand in node.operands])), TRUTH
            case tree.Or():
                return some(tuple([self.condition(operand) for operand in node.operands])), TRUTH

    def _literal(self, node: tree.Literal) -> tuple[Meaning, Type]:
        value = node.value
        declared = TRUTH if value.__class__ is bool else TEXT if value.__class__ is str else NUMBER
        return Const(declared.kind, value), declared

    def _find(self, node: tree.Name) -> tuple[str, Type]:
        try:
            return self._environment.find(node.path)
        except UnknownNameError as error:
            raise ExpressionError(error.message, self._text, node.at, error.hint) from None

    def _of_kind(self, node: tree.Node, kind: Kind) -> Meaning:
        """An operand that must be of one kind."""
        found, declared = self._typed(node)
        if declared.kind is kind:
            return found
        if declared.kind is Kind.ANY:
            return Cast(kind, found)
        if kind is Kind.TIME and isinstance(found, Const):
            return self._moment(node, found)
        hint = "text is compared, not computed with" if declared.kind is Kind.TEXT and kind is Kind.NUMBER else ""
        self._fail(f"`{self._source(node)}` is {CALLED[declared.kind]}; here it must be {CALLED[kind]}", node.at, hint)

    def _moment(self, node: tree.Node, found: Const) -> Meaning:
        seconds = seconds_of(found.value) if found.value.__class__ is str else None
        if seconds is None:
            hint = f"write it like '{_STAMP}'"
            self._fail(f"`{self._source(node)}` is no RFC 3339 timestamp with a zone", node.at, hint)
        return Const(Kind.TIME, seconds)

    def _call(self, node: tree.Call) -> tuple[Meaning, Type]:
        function = FUNCTIONS.get(node.function)
        if function is None:
            near = nearest(node.function, FUNCTIONS)
            meant = f"; did you mean `{near}`?" if near else ""
            self._fail(f"there is no function `{node.function}`{meant}", node.at, f"there are {', '.join(FUNCTIONS)}")
        count = len(node.arguments)
        if count != len(function.takes) and not (function.any_number and count >= len(function.takes)):
            self._fail(f"write {signature(node.function)}; here it has {count or 'no'} arguments", node.at)
        takes = function.takes + function.takes[-1:] * (count - len(function.takes))
        arguments: list[Meaning] = []
        for argument, kind in zip(node.arguments, takes, strict=True):
            arguments.append(self._countable(argument) if kind is Kind.ANY else self._of_kind(argument, kind))
        return self._known(Apply(function.gives, node.function, tuple(arguments))), Type(function.gives)

    def _countable(self, node: tree.Node) -> Meaning:
        found, declared = self._typed(node)
        if declared.kind in (Kind.TEXT, Kind.LIST, Kind.BYTES):
            return found
        if declared.kind is Kind.ANY and isinstance(found, Load):
            return Load(Kind.COUNTED, found.name)
        self._fail(f"`{self._source(node)}` is {CALLED[declared.kind]}: it has no length", node.at)

    # -- comparisons

    def _comparison(self, node: tree.Comparison) -> Meaning:
        pairs = zip(node.operands, node.operands[1:], node.signs, strict=False)
        return every(tuple([self._compared(left, right, sign) for left, right, sign in pairs]))

    def _compared(self, left: tree.Node, right: tree.Node, sign: str) -> Meaning:
        one, first = self._typed(left)
        other, second = self._typed(right)
        kinds = {first.kind, second.kind}
        ordered = sign not in ("==", "!=")
        if Kind.TEXTS in kinds:
            return self._contains(left, right, one, other, sign)
        for operand, declared in ((left, first), (right, second)):
            if declared.kind in (Kind.LIST, Kind.BYTES):
                hint = "lists and bytes can be counted: len(x)"
                self._fail(
                    f"`{self._source(operand)}` is {CALLED[declared.kind]}: it is not compared", operand.at, hint
                )
            if ordered and not declared.ordered:
                what = "categories have" if declared.values is not None else "true and false have"
                self._fail(f"{what} no order: compare `{self._source(operand)}` with == or in", operand.at)
        by = self._shared(left, right, first.kind, second.kind)
        if by is Kind.TIME:
            one, other = self._timed(left, one), self._timed(right, other)
        if not ordered:
            self._possible(first, other, right, left)
            self._possible(second, one, left, right)
        if by is not Kind.ANY:
            one, other = self._cast(one, by), self._cast(other, by)
        return self._known(Compare(Kind.TRUTH, sign, by, one, other))

    def _shared(self, left: tree.Node, right: tree.Node, first: Kind, second: Kind) -> Kind:
        """The kind that two operands are compared by."""
        if first is second:
            return first
        kinds = {first, second}
        if Kind.MIXED in kinds and Kind.TIME not in kinds:
            return Kind.MIXED
        if Kind.ANY in kinds:
            return second if first is Kind.ANY else first
        text = right if first is Kind.TIME else left
        if kinds == {Kind.TIME, Kind.TEXT} and isinstance(text, tree.Literal):
            return Kind.TIME
        hint = f"timestamps are compared with timestamps, or with text like '{_STAMP}'" if Kind.TIME in kinds else ""
        self._fail(
            f"`{self._source(left)}` is {CALLED[first]} and `{self._source(right)}` is {CALLED[second]}: "
            "they are never equal",
            right.at,
            hint,
        )

    def _timed(self, node: tree.Node, found: Meaning) -> Meaning:
        return self._moment(node, found) if isinstance(found, Const) and found.kind is Kind.TEXT else found

    def _cast(self, found: Meaning, kind: Kind) -> Meaning:
        return Cast(kind, found) if found.kind is Kind.ANY and kind is not Kind.MIXED else found

    def _possible(self, declared: Type, value: Meaning, node: tree.Node, named: tree.Node) -> None:
        """A value that the named operand can never have."""
        if declared.values is None or not isinstance(value, Const):
            return
        if any(same(value.value, allowed) for allowed in declared.values):
            return
        texts = [allowed for allowed in declared.values if allowed.__class__ is str]
        near = nearest(str(value.value), texts)
        listed = ", ".join(_spelled(allowed) for allowed in declared.values[:8])
        more = ", …" if len(declared.values) > 8 else ""
        meant = f"; did you mean '{near}'?" if near else ""
        self._fail(
            f"`{self._source(named)}` is never {_spelled(value.value)}{meant}", node.at, f"it is one of {listed}{more}"
        )

    def _contains(self, left: tree.Node, right: tree.Node, one: Meaning, other: Meaning, sign: str) -> Meaning:
        """Several texts in one cell, compared with one."""
        many, text = (one, other) if one.kind is Kind.TEXTS else (other, one)
        if not isinstance(text, Const) or text.kind is not Kind.TEXT or sign not in ("==", "!="):
            name = left if one.kind is Kind.TEXTS else right
            self._fail(f"`{self._source(name)}` are compared by == and != with a code, like 'age.max'", right.at)
        return Contains(Kind.TRUTH, many, frozenset({text.value}), sign == "!=")

    def _membership(self, node: tree.Among) -> Meaning:
        found, declared = self._typed(node.operand)
        values: list[Value] = []
        for item in node.values:
            value, kind = self._literal(item)
            if declared.kind in (Kind.LIST, Kind.BYTES):
                self._fail(f"`{self._source(node.operand)}` is {CALLED[declared.kind]}: count it with len", node.at)
            if declared.kind is Kind.TEXTS:
                if kind.kind is not Kind.TEXT:
                    self._fail(f"`{self._source(node.operand)}` are compared with codes, like 'age.max'", item.at)
            else:
                by = self._shared(node.operand, item, declared.kind, kind.kind)
                value = self._moment(item, value) if by is Kind.TIME and isinstance(value, Const) else value
                self._possible(declared, value, item, node.operand)
            assert isinstance(value, Const)
            values.append(value.value)
        if declared.kind is Kind.TEXTS:
            return Contains(Kind.TRUTH, found, frozenset(values), node.negated)
        return self._known(
            Member(
                Kind.TRUTH,
                declared.kind,
                found,
                frozenset(value for value in values if value.__class__ in (int, float)),
                frozenset(value for value in values if value.__class__ is str),
                frozenset(value for value in values if value.__class__ is bool),
                node.negated,
            )
        )

    # -- the rest

    def _known(self, meaning: Meaning) -> Meaning:
        """Worked out, where nothing in it depends on a row."""
        if all(isinstance(part, Const) for part in parts(meaning)):
            return Const(meaning.kind, self._fold(meaning))
        return meaning

    def _source(self, node: tree.Node) -> str:
        return self._text[node.at : node.end]

    def _fail(self, message: str, at: int, hint: str = "") -> NoReturn:
        raise ExpressionError(message, self._text, at, hint)


def _spelled(value: Value) -> str:
    if value.__class__ is bool:
        return "true" if value else "false"
    return f"'{value}'" if value.__class__ is str else str(value)
