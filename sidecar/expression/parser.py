"""Tokens → syntax tree, by recursive descent. Precedence: or, and, not, comparison, + -, * / %, unary -, brackets."""

from __future__ import annotations

import math
import re
from typing import Final, NoReturn

from .fault import ExpressionError
from .tokens import Token, tokens_of
from .tree import Among, And, Arithmetic, Call, Comparison, IsNull, Literal, Name, Negative, Node, Not, Or

DEEPEST: Final = 50
MOST_NODES: Final = 100
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})


def parse(text: str) -> Node:
    """The tree of an expression. ExpressionError with the place of what cannot be read."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._next = 0
        self._depth = 0
        self._nodes = 0

    def whole(self) -> Node:
        if self._token.kind == "end":
            raise ExpressionError("say a condition, like: age >= 18", self._text, 0)
        node = self._or()
        if self._token.kind != "end":
            self._fail(f"`and`, `or` or the end is expected here, not `{self._token.text}`")
        return node

    # -- conditions

    def _or(self) -> Node:
        operands = [self._and()]
        while self._word("or"):
            operands.append(self._and())
        if len(operands) == 1:
            return operands[0]
        return self._counted(Or(operands[0].at, operands[-1].end, tuple(operands)))

    def _and(self) -> Node:
        operands = [self._not()]
        while self._word("and"):
            operands.append(self._not())
        if len(operands) == 1:
            return operands[0]
        return self._counted(And(operands[0].at, operands[-1].end, tuple(operands)))

    def _not(self) -> Node:
        at = self._token.at
        if not self._word("not"):
            return self._comparison()
        self._deeper()
        operand = self._not()
        self._depth -= 1
        return self._counted(Not(at, operand.end, operand))

    def _comparison(self) -> Node:
        left = self._sum()
        if self._word("is"):
            negated = self._word("not")
            end = self._token.end
            if not self._word("null"):
                self._fail("after `is` comes `null` or `not null`")
            return self._counted(IsNull(left.at, end, left, negated))
        negated = self._word("not")
        if self._word("in"):
            return self._membership(left, negated)
        if negated:
            self._fail("after `not` comes `in` here")
        operands, signs = [left], []
        while self._token.kind == "sign" and self._token.text in COMPARISONS:
            signs.append(self._take().text)
            operands.append(self._sum())
        if not signs:
            return left
        return self._counted(Comparison(left.at, operands[-1].end, tuple(operands), tuple(signs)))

    def _membership(self, left: Node, negated: bool) -> Node:
        if not self._sign("["):
            self._fail("after `in` comes a list, like ['a', 'b']")
        items: list[Literal] = []
        end = self._token.end
        while not self._sign("]"):
            if items and not self._sign(","):
                self._fail("between the values of a list comes `,`; at its end `]`")
            item = self._sum()
            if not isinstance(item, Literal):
                raise ExpressionError("a list holds values, not names; quote text", self._text, item.at)
            self._nodes -= 1  # a list counts once: its length is bounded by the characters
            items.append(item)
            end = self._token.end
        if not items:
            raise ExpressionError("the list is empty: nothing is in it", self._text, left.end)
        return self._counted(Among(left.at, end, left, tuple(items), negated))

    # -- operands

    def _sum(self) -> Node:
        left = self._product()
        while self._token.kind == "sign" and self._token.text in ("+", "-"):
            sign = self._take().text
            right = self._product()
            left = self._counted(Arithmetic(left.at, right.end, sign, left, right))
        return left

    def _product(self) -> Node:
        left = self._unary()
        while self._token.kind == "sign" and self._token.text in ("*", "/", "%"):
            sign = self._take().text
            right = self._unary()
            left = self._counted(Arithmetic(left.at, right.end, sign, left, right))
        return left

    def _unary(self) -> Node:
        at = self._token.at
        if not self._sign("-"):
            return self._primary()
        self._deeper()
        operand = self._unary()
        self._depth -= 1
        if isinstance(operand, Literal) and operand.value.__class__ in (int, float):
            return Literal(at, operand.end, -operand.value)
        return self._counted(Negative(at, operand.end, operand))

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "number":
            return self._counted(Literal(token.at, token.end, self._number(self._take())))
        if token.kind == "text":
            self._take()
            return self._counted(Literal(token.at, token.end, re.sub(r"(?s)\\(.)", r"\1", token.text[1:-1])))
        if token.kind == "word" and token.text in ("true", "false"):
            self._take()
            return self._counted(Literal(token.at, token.end, token.text == "true"))
        if token.kind == "word" and token.text == "null":
            self._fail("write `is null` or `is not null`")
        if token.kind == "name":
            self._take()
            if self._token.text == "(" and self._token.kind == "sign":
                return self._call(token)
            path = tuple(part.strip("`") for part in re.findall(r"`[^`]+`|[^.`]+", token.text))
            return self._counted(Name(token.at, token.end, path))
        if self._sign("("):
            self._deeper()
            node = self._or()
            self._depth -= 1
            if not self._sign(")"):
                self._fail("the bracket is not closed; add `)`")
            return node
        if not token.text:
            self._fail("the expression ends where a name or a value is expected")
        self._fail(f"a name or a value is expected here, not `{token.text}`")

    def _call(self, name: Token) -> Node:
        self._take()
        self._deeper()
        arguments: list[Node] = []
        end = self._token.end
        while not self._sign(")"):
            if arguments and not self._sign(","):
                self._fail("between arguments comes `,`; at their end `)`")
            arguments.append(self._or())
            end = self._token.end
        self._depth -= 1
        return self._counted(Call(name.at, end, name.text, tuple(arguments)))

    def _number(self, token: Token) -> int | float:
        value = int(token.text) if token.text.isdigit() else float(token.text)
        if value.__class__ is float and not math.isfinite(value):
            raise ExpressionError(f"`{token.text}` is too large for a number", self._text, token.at)
        return value

    # -- the tape

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _word(self, word: str) -> bool:
        return self._took("word", word)

    def _sign(self, sign: str) -> bool:
        return self._took("sign", sign)

    def _took(self, kind: str, text: str) -> bool:
        if self._token.kind == kind and self._token.text == text:
            self._next += 1
            return True
        return False

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            self._next -= 1
            self._fail(f"brackets are at most {DEEPEST} deep")

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            hint = "split it into several rules, or use a list: x in [1, 2, 3]"
            raise ExpressionError(
                f"an expression has at most {MOST_NODES} names, values and signs", self._text, node.at, hint
            )
        return node

    def _fail(self, message: str) -> NoReturn:
        raise ExpressionError(message, self._text, self._token.at)
