"""Conditions over prediction rows: a small language that is parsed, never evaluated as code.

    income > 200000 and caller == "mobile" · verdict in ["rejected", "fallback"] · label is not null
    features.status == "a" · prediction.score >= 0.8 · latency_ms.total > 100 · not (age < 18 or age is null)

Names are fields of the record; any other name is a feature (`features.NAME` where both have it; names with other
characters go in backticks). What is missing, null or of another type makes a comparison undecided: neither it nor its
negation holds.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from ..errors import SidecarError
from .row import RECORD_FIELDS
from .values import restored

Decided = bool | None  # None = undecided
Test = Callable[[Mapping[str, Any]], Decided]
Operand = Callable[[Mapping[str, Any]], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>(?:[A-Za-z_]\w*|`[^`]+`)(?:\.(?:[A-Za-z_]\w*|`[^`]+`|\d+))*)
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE,
)
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_WORDS: Final = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
_TEXT_FIELDS: Final = frozenset(
    {"prediction_id", "request_id", "ts", "caller", "protocol", "environment", "replica", "arm", "coin_id", "verdict",
     "trace_id", "span_id", "unread", "label_ts"}
)  # fmt: skip
_NUMBER_FIELDS: Final = frozenset({"row", "propensity", "weight", "status"})
_TRUTH_FIELDS: Final = frozenset({"exposed"})
_OBJECTS: Final[dict[str, frozenset[str] | None]] = {
    "model": frozenset({"name", "version"}),
    "policy": frozenset({"name", "version", "digest"}),
    "latency_ms": frozenset({"total", "contract", "upstream", "first_byte"}),
    "features": None, "raw_features": None, "prediction": None, "delivered": None, "shadow": None, "slices": None,
}  # fmt: skip
MOST_CHARACTERS: Final = 4000
_DEEPEST: Final = 50


class ConditionError(SidecarError):
    """A condition that cannot be read. `position` counts characters from 0."""

    def __init__(self, message: str, text: str, position: int) -> None:
        before = text[:position].replace("\n", " ").replace("\t", " ")
        super().__init__(f"{message} (at character {position + 1})\n  {text}\n  {' ' * len(before)}^")
        self.message = message
        self.position = position


class _Token(NamedTuple):
    kind: str  # number | text | name | sign | word | end
    text: str
    position: int


class _Known(NamedTuple):
    """An operand and what is known of it before any row: its type ("" = any), and its value if it is a literal."""

    get: Operand
    type: str
    token: _Token


def compile_condition(text: str) -> Callable[[Mapping[str, Any]], bool]:
    """A function from the record of a row (`to_record`) to whether the condition holds. ConditionError otherwise."""
    if len(text) > MOST_CHARACTERS:
        raise ConditionError(f"a condition has at most {MOST_CHARACTERS} characters", text[:60], 0)
    parser = _Parser(text)
    test = parser.whole()
    return lambda record: test(record) is True


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Test:
        if self._tokens[0].kind == "end":
            raise ConditionError("say a condition, like: verdict == 'rejected'", self._text, 0)
        test = self._or()
        self._expect_end()
        return test

    def _or(self) -> Test:
        tests = [self._and()]
        while self._word("or"):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda record: _any(tests, record)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._word("and"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda record: _all(tests, record)

    def _not(self) -> Test:
        self._deeper()
        try:
            if self._word("not"):
                test = self._not()
                return lambda record: None if (found := test(record)) is None else not found
            if self._sign("("):
                test = self._or()
                if not self._sign(")"):
                    self._fail("the bracket is not closed; add `)`")
                return test
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        left = self._operand()
        if self._word("is"):
            negated = self._word("not")
            if not self._word("null"):
                self._fail("after `is` comes `null` or `not null`")
            return lambda record: (left.get(record) is None) is not negated
        negated = self._word("not")
        if self._word("in"):
            return self._membership(left, negated)
        token = self._tokens[self._at]
        if negated:
            self._fail("after `not` comes `in` here")
        if token.text not in _COMPARISONS or token.kind != "sign":
            if left.type in ("", "truth"):
                return lambda record: value if isinstance(value := left.get(record), bool) else None
            self._fail(f"`{left.token.text}` is {_called(left.type)}: compare it with something")
        self._at += 1
        right = self._operand()
        self._agree(left, right)
        compare, ordered = _COMPARISONS[token.text], token.text not in ("==", "!=")
        return lambda record: _compared(left.get(record), right.get(record), compare, ordered)

    def _membership(self, left: _Known, negated: bool) -> Test:
        if not self._sign("["):
            self._fail("after `in` comes a list, like ['a', 'b']")
        items: list[_Known] = []
        while not self._sign("]"):
            if items and not self._sign(","):
                self._fail("between the values of a list comes `,`; at its end `]`")
            item = self._operand()
            if item.token.kind == "name":
                raise ConditionError("a list holds values, not names; quote text", self._text, item.token.position)
            self._agree(left, item)
            items.append(item)
        values = [item.get({}) for item in items]

        def test(record: Mapping[str, Any]) -> Decided:
            value = left.get(record)
            if value is None:
                return None
            return any(_compared(value, each, operator.eq, False) for each in values) is not negated

        return test

    def _operand(self) -> _Known:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "number":
            number = json.loads(token.text) if re.fullmatch(r"-?(0|[1-9]\d*)", token.text) else float(token.text)
            return _Known(lambda record: number, "number", token)
        if token.kind == "text":
            text = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return _Known(lambda record: text, "text", token)
        if token.kind == "word" and token.text in ("true", "false"):
            truth = token.text == "true"
            return _Known(lambda record: truth, "truth", token)
        if token.kind == "word" and token.text == "null":
            raise ConditionError("write `is null` or `is not null`", self._text, token.position)
        if token.kind == "name":
            return self._name(token)
        self._at -= 1
        self._fail("here comes a name or a value")

    def _name(self, token: _Token) -> _Known:
        path = [part.strip("`") for part in re.findall(r"`[^`]+`|[^.`]+", token.text)]
        head = path[0]
        if head not in RECORD_FIELDS:
            path = ["features", *path]
        elif head in _OBJECTS:
            inner = _OBJECTS[head]
            if len(path) == 1:
                raise ConditionError(f"`{head}` has parts: say {head}.NAME", self._text, token.position)
            if inner is not None and path[1] not in inner:
                known = ", ".join(f"{head}.{name}" for name in sorted(inner))
                raise ConditionError(f"there is no `{token.text}`; there are {known}", self._text, token.position)
        elif head == "violations":
            return _Known(lambda record: _codes(record, path[1:]), "list", token)
        elif len(path) > 1 and head not in ("label", "entity", "perturbation"):
            raise ConditionError(f"`{head}` has no parts", self._text, token.position)
        kind = "text" if head in _TEXT_FIELDS else "number" if head in _NUMBER_FIELDS else ""
        kind = "truth" if head in _TRUTH_FIELDS else kind
        if head == "latency_ms":
            kind = "number"
        elif head in ("model", "policy"):
            kind = "text"
        return _Known(lambda record: _follow(record, path), kind, token)

    def _agree(self, left: _Known, right: _Known) -> None:
        if left.type == "list" or right.type == "list":
            if {left.type, right.type} == {"list", "text"}:
                return
            raise ConditionError(
                "violations are compared with a code, like 'age.max'", self._text, right.token.position
            )
        if left.type and right.type and left.type != right.type:
            message = (
                f"`{left.token.text}` is {_called(left.type)} and `{right.token.text}` is {_called(right.type)}: "
                "they are never equal"
            )
            raise ConditionError(message, self._text, right.token.position)

    def _word(self, word: str) -> bool:
        return self._take("word", word)

    def _sign(self, sign: str) -> bool:
        return self._take("sign", sign)

    def _take(self, kind: str, text: str) -> bool:
        token = self._tokens[self._at]
        if token.kind == kind and token.text == text:
            self._at += 1
            return True
        return False

    def _expect_end(self) -> None:
        if self._tokens[self._at].kind != "end":
            self._fail("here comes `and`, `or` or the end; one `=` is written `==`")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"brackets are at most {_DEEPEST} deep")

    def _fail(self, message: str) -> NoReturn:
        raise ConditionError(message, self._text, self._tokens[self._at].position)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            hint = "one `=` is written `==`" if text[at] == "=" else "it means nothing here"
            raise ConditionError(f"`{text[at]}`: {hint}", text, at)
        kind = str(match.lastgroup)
        found = match[kind]
        if kind == "name" and found.lower() in _WORDS:
            kind, found = "word", found.lower()
        tokens.append(_Token(kind, found, match.start(str(match.lastgroup))))
        at = match.end()
    tokens.append(_Token("end", "", end))
    return tokens


def _follow(record: Mapping[str, Any], path: list[str]) -> Any:
    value: Any = record
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    value = restored(value)
    return value if isinstance(value, str | int | float | bool) else None


def _codes(record: Mapping[str, Any], path: list[str]) -> list[str] | None:
    """Violations stand for their codes, or for another of their parts."""
    part = path[0] if path else "code"
    found = [item.get(part) for item in record.get("violations", ())]
    return found or None


def _compared(left: Any, right: Any, compare: Callable[[Any, Any], bool], ordered: bool) -> Decided:
    if isinstance(left, list) or isinstance(right, list):  # some violation has this code
        many, one = (left, right) if isinstance(left, list) else (right, left)
        if one is None:
            return None
        return compare is operator.ne if one not in many else compare is operator.eq
    if left is None or right is None:
        return None
    kinds = {_kind(left), _kind(right)}
    if len(kinds) > 1:
        return None if ordered else compare is operator.ne
    if ordered and kinds == {"truth"}:
        return None
    return compare(left, right)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "text"


def _called(kind: str) -> str:
    return {"truth": "true or false", "number": "a number", "text": "text", "list": "a list"}.get(kind, "a value")


def _any(tests: list[Test], record: Mapping[str, Any]) -> Decided:
    found = [test(record) for test in tests]
    return True if True in found else None if None in found else False


def _all(tests: list[Test], record: Mapping[str, Any]) -> Decided:
    found = [test(record) for test in tests]
    return False if False in found else None if None in found else True
