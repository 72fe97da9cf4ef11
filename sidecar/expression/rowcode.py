"""Meaning → one Python function of a row's cells. Names and values of the author enter as constants, never as source.

Every step is a statement of a fixed form over numbered variables; None is undecided. In a *proof* the function answers
True only where the row is certainly not refused, whatever was lost when the body was decoded: numbers from 2^53 on may
be rounded there, so they prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from ..rows import MISSING, Value
from . import scalars
from .meaning import (
    Apply,
    Cast,
    Compare,
    Compute,
    Const,
    Contains,
    Every,
    Inverse,
    Load,
    Meaning,
    Member,
    Minus,
    Null,
    Some,
    names_of,
    walk,
)
from .types import Kind

# The cells in the order of `names_of` → the answer.
RowFunction = Callable[..., "bool | None"]

_SCALARS: Final = "({0}.__class__ is float or {0}.__class__ is int) and {0} == {0}"
_IS: Final[dict[Kind, str]] = {
    Kind.NUMBER: _SCALARS,
    Kind.TEXT: "{0}.__class__ is str",
    Kind.TRUTH: "{0}.__class__ is bool",
    Kind.TEXTS: "{0}.__class__ is list",
}
_READ: Final[dict[Kind, str]] = {
    Kind.TIME: "moment({0})",
    Kind.ANY: "any_of({0})",
    Kind.MIXED: "any_of({0})",
    Kind.LIST: "item_count({0})",
    Kind.COUNTED: "count_of({0})",
    Kind.BYTES: "byte_count({0})",
}
_CALLS: Final[dict[str, str]] = {
    "abs": "abs({0})",
    "min": "min({0})",
    "max": "max({0})",
    "lower": "{0}.lower()",
    "startswith": "{0}.startswith({1})",
    "year": "year({0})",
    "days_between": "days_between({0}, {1})",
    "is_weekday": "weekday({0})",
}
_ROUNDED: Final = frozenset({Kind.NUMBER, Kind.ANY, Kind.MIXED})


class _Atom(NamedTuple):
    """A variable or constant of the function; `sure`: never None.

    `double`: a finite float; `small`: a number below 2^53, so that arithmetic with a double takes it without loss.
    """

    text: str
    sure: bool = False
    double: bool = False
    small: bool = False


def row_function(meaning: Meaning) -> RowFunction:
    """The function of a meaning. It raises nothing, whatever the cells are."""
    function: RowFunction = _Writer(meaning, proof=False).function()
    return function


def proof_function(meaning: Meaning) -> Callable[..., bool]:
    """The proof of a meaning: never undecided."""
    function: Callable[..., bool] = _Writer(meaning, proof=True).function()
    return function


def answer_of(meaning: Meaning) -> Value:
    """What a meaning without names comes to."""
    return row_function(meaning)()


class _Writer:
    def __init__(self, meaning: Meaning, proof: bool) -> None:
        self._meaning = meaning
        self._proof = proof
        self._lines: list[str] = []
        self._indent = 1
        self._variables = 0
        self._loads: dict[tuple[str, Kind], _Atom] = {}
        self._parameters = {name: f"v{index}" for index, name in enumerate(names_of(meaning))}
        self._constants: dict[str, Any] = {
            "__builtins__": {"float": float, "int": int, "str": str, "bool": bool, "list": list, "abs": abs, "min": min,
                             "max": max},
            "MISSING": MISSING, "UNSET": UNSET, "LARGEST": scalars.LARGEST, "EXACT": float(scalars.EXACT),
            "moment": scalars.moment, "any_of": scalars.any_of, "count_of": scalars.count_of,
            "item_count": scalars.item_count,
            "byte_count": scalars.byte_count, "same": scalars.same, "compare_any": scalars.compare_any,
            "year": scalars.year, "weekday": scalars.weekday, "days_between": scalars.days_between,
        }  # fmt: skip

    def function(self) -> Any:
        for node in walk(self._meaning):
            if isinstance(node, Load):
                self._load(node)
        answer = self._write(self._meaning)
        self._line(f"return {answer.text} is not False" if self._proof else f"return {answer.text}")
        source = "\n".join([f"def answer({', '.join(self._parameters.values())}):", *self._lines])
        exec(compile(source, "<expression>", "exec"), self._constants)  # noqa: S102 - made of fixed forms only
        return self._constants["answer"]

    # -- lines

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def _variable(self) -> str:
        self._variables += 1
        return f"t{self._variables}"

    def _set(self, text: str, unless: list[str] | None = None) -> _Atom:
        """A new variable; None where one of these is."""
        name = self._variable()
        guard = " or ".join(f"{one} is None" for one in unless or ())
        self._line(f"{name} = None if {guard} else {text}" if guard else f"{name} = {text}")
        return _Atom(name, sure=not guard)

    def _constant(self, value: Value) -> str:
        name = f"k{len(self._constants)}"
        self._constants[name] = value
        return name

    # -- nodes

    def _load(self, node: Load) -> None:
        key = (node.name, node.kind)
        if key in self._loads:
            return
        cell = self._parameters[node.name]
        name = self._variable()
        if self._proof and node.kind in _ROUNDED:
            other = "None" if node.kind is Kind.NUMBER else f"any_of({cell})"
            self._line(f"if {cell}.__class__ is float or {cell}.__class__ is int:")
            self._line(f"    if not -EXACT < {cell} < EXACT: return False")
            self._line(f"    {name} = {cell}")
            self._line("else:")
            self._line(f"    {name} = {other}")
            self._loads[key] = _Atom(name, small=node.kind is Kind.NUMBER)
            return
        if node.kind in _IS:
            self._line(f"{name} = {cell} if {_IS[node.kind].format(cell)} else None")
        else:
            self._line(f"{name} = {_READ[node.kind].format(cell)}")
        self._loads[key] = _Atom(name)

    def _write(self, node: Meaning) -> _Atom:
        match node:
            case Const():
                if node.value is None:
                    return _Atom("None")
                return self._known(node.value)
            case Load():
                return self._loads[node.name, node.kind]
            case Null():
                cell = self._parameters[node.name]
                unset = f" or {cell} is UNSET" if self._proof else ""
                test = f"({cell} is None or {cell} is MISSING{unset})"
                return self._set(f"not {test}" if node.negated else test)
            case Cast():
                return self._cast(node)
            case Minus():
                operand = self._write(node.operand)
                return self._set(f"-{operand.text}", _unsure(operand))._replace(double=operand.double)
            case Compute():
                return self._compute(node)
            case Compare():
                return self._compare(node)
            case Contains():
                operand = self._write(node.operand)
                texts = self._constant(node.texts)
                test = f"{texts}.isdisjoint({operand.text})"
                return self._set(test if node.negated else f"not {test}", _unsure(operand))
            case Member():
                return self._member(node)
            case Inverse():
                operand = self._write(node.operand)
                return self._set(f"not {operand.text}", _unsure(operand))
            case Every():
                return self._join(node.operands, "False", "True")
            case Some():
                return self._join(node.operands, "True", "False")
            case Apply():
                return self._apply(node)

    def _known(self, value: Value) -> _Atom:
        """A whole number that is a double without loss is compared and computed with as one."""
        if value.__class__ is int and abs(value) < scalars.EXACT:
            value = float(value)
        double = value.__class__ is float and abs(value) <= scalars.LARGEST
        return _Atom(self._constant(value), sure=True, double=double)

    def _join(self, operands: tuple[Meaning, ...], settled: str, neutral: str) -> _Atom:
        """Kleene: once settled, the rest is not asked; an undecided operand stays unless a later one settles it."""
        first = self._write(operands[0])
        answer = self._variable()
        self._line(f"{answer} = {first.text}")
        sure = first.sure
        for operand in operands[1:]:
            self._line(f"if {answer} is not {settled}:")
            self._indent += 1
            found = self._write(operand)
            self._line(f"if {found.text} is not {neutral}:")
            self._line(f"    {answer} = {found.text}")
            self._indent -= 1
            sure = sure and found.sure
        return _Atom(answer, sure)

    def _cast(self, node: Cast) -> _Atom:
        operand = self._write(node.operand)
        if node.kind is Kind.TIME:
            return self._set(f"moment({operand.text})")._replace(sure=False)
        name = self._variable()
        self._line(f"{name} = {operand.text} if {_IS[node.kind].format(operand.text)} else None")
        return _Atom(name)

    def _doubles(self, left: _Atom, right: _Atom) -> tuple[_Atom, _Atom]:
        """Both as doubles; a small number beside a double becomes one by itself."""
        if left.small and right.double:
            return left, right
        if right.small and left.double:
            return left, right
        return self._double(left), self._double(right)

    def _double(self, atom: _Atom) -> _Atom:
        """As a double, or None beyond them."""
        if atom.double or atom.text == "None":
            return atom
        name = self._variable()
        some_number = "" if atom.sure else f"{atom.text} is not None and "
        self._line(f"{name} = float({atom.text}) if {some_number}-LARGEST <= {atom.text} <= LARGEST else None")
        return _Atom(name, double=True)

    def _compute(self, node: Compute) -> _Atom:
        left, right = self._doubles(self._write(node.left), self._write(node.right))
        answer = self._variable()
        undecided = [f"{one} is None" for one in _unsure(left, right)]
        if node.sign in "/%":
            undecided.append(f"{right.text} == 0.0")
        compute = f"{left.text} {node.sign} {right.text}"
        if undecided:
            compute = f"None if {' or '.join(undecided)} else {compute}"
        self._line(f"{answer} = {compute}")
        # inf - inf and nan - nan are nan: only what is finite leaves zero.
        self._line(f"if {answer} is not None and {answer} - {answer} != 0.0:")
        self._line(f"    {answer} = None")
        return _Atom(answer, double=True)

    def _compare(self, node: Compare) -> _Atom:
        left, right = self._write(node.left), self._write(node.right)
        unsure = _unsure(left, right)
        if node.by is Kind.ANY:
            sign = self._constant(node.sign)
            return self._set(f"compare_any({sign}, {left.text}, {right.text})", unsure)._replace(sure=False)
        if node.by is Kind.MIXED:
            test = f"same({left.text}, {right.text})"
            return self._set(f"not {test}" if node.sign == "!=" else test, unsure)
        return self._set(f"{left.text} {node.sign} {right.text}", unsure)

    def _member(self, node: Member) -> _Atom:
        operand = self._write(node.operand)
        word = "not in" if node.negated else "in"
        if node.by not in (Kind.ANY, Kind.MIXED):
            values = node.truths or node.texts or node.numbers
            return self._set(f"{operand.text} {word} {self._constant(values)}", _unsure(operand))
        # Cut by class: in a set of Python's own true is 1.
        x, nothing = operand.text, "None" if node.by is Kind.ANY else str(node.negated)
        answer = self._variable()
        self._line(f"{answer} = None")
        sets = (("is str", node.texts), ("is bool", node.truths), ("is not None", node.numbers))
        for position, (test, values) in enumerate(sets):
            subject = x if test == "is not None" else f"{x}.__class__"
            found = f"{x} {word} {self._constant(values)}" if values else nothing
            self._line(f"{'elif' if position else 'if'} {subject} {test}:")
            self._line(f"    {answer} = {found}")
        return _Atom(answer)

    def _apply(self, node: Apply) -> _Atom:
        arguments = [self._write(argument) for argument in node.arguments]
        if node.function == "len":
            (counted,) = arguments
            if node.arguments[0].kind is not Kind.TEXT:
                return counted  # read as its count
            return self._set(f"{self._constant(len)}({counted.text})", _unsure(counted))
        form = _CALLS[node.function]
        texts = [argument.text for argument in arguments]
        if node.function in ("min", "max"):
            texts = [", ".join(texts)]
        return self._set(form.format(*texts), _unsure(*arguments))


def _unsure(*atoms: _Atom) -> list[str]:
    return list(dict.fromkeys(atom.text for atom in atoms if not atom.sure))
