"""Expressions outside the contract: which rows a slice has, and which predictions a limit is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from ..contract import Compiled
from ..contract.rules import declared_names
from ..contract.slices import CompiledSlice, Slices
from ..expression import Declared, Environment, Expression, ExpressionError, Type, compile_expression
from ..yamldoc import Finding
from .sections import Policy

Path = tuple[str | int, ...]


def words_of(text: str) -> frozenset[str]:
    """The names that a text may speak of."""
    return frozenset(re.findall(r"\w+", text))


def of_expressions(policy: Policy, unsure: Set[str] = frozenset()) -> Iterator[Finding]:
    """Findings about slices and action limits, but for those that speak of a feature in `unsure`."""
    names, predictions = declared_names(policy.contract)
    seen: set[str] = set()
    for at, each in enumerate(policy.slices):
        if each.name in seen:
            hint = "give each slice a name of its own"
            yield Finding("slice.twice", f"a second slice named `{each.name}`", hint, "error", ("slices", at, "name"))
        seen.add(each.name)
        if each.where is not None and not unsure & words_of(each.where):
            found = _checked(each.where, names, ("slices", at, "where"))
            if isinstance(found, Finding):
                yield found
    watch = policy.watch
    for at, limit in enumerate(watch.actions if watch is not None else ()):
        if unsure & words_of(limit.where):
            continue
        found = _checked(limit.where, predicted(names, predictions), ("watch", "actions", at, "where"))
        if isinstance(found, Finding):
            yield found


def predicted(names: Declared, predictions: Mapping[str, Type]) -> Declared:
    """What an expression may say of a finished row: its predictions, and the features that are not named alike."""
    return Declared({**names.types, **predictions}, "feature or prediction")


def slices_of(policy: Policy, contract: Compiled) -> Slices | None:
    """The slices ready to be asked; None where there are none. What does not compile is left out: `check` says so."""
    compiled: list[CompiledSlice] = []
    for each in policy.slices:
        if each.by is not None:
            compiled.append(CompiledSlice(each.name, feature=each.by))
        elif each.where is not None:
            found = _checked(each.where, contract.feature_names, ())
            if isinstance(found, Expression):
                compiled.append(CompiledSlice(each.name, found))
    return Slices(tuple(compiled), contract) if compiled else None


def _checked(text: str, names: Environment, path: Path) -> Expression | Finding:
    try:
        return compile_expression(text, names)
    except ExpressionError as error:
        message = f"{error.message} (at character {error.position + 1})"
        return Finding("bad-expression", message, error.hint, "error", path)
