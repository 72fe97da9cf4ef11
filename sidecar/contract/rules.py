"""`rules:` → compiled rules: conditions over several features of one row, judged on repaired values.

A rule is broken where its `when` holds and its `expect` does not. Where a feature it needs is null, missing or invalid
it is undecided, which is no violation; `is null` says it outright.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..expression import (
    ANY,
    BYTES,
    LIST,
    NUMBER,
    TEXT,
    TIME,
    TRUTH,
    Declared,
    Expression,
    ExpressionError,
    Type,
    UnknownNameError,
    category,
    compile_expression,
    implication,
)
from ..expression.ranges import possible
from ..rows import Rows, RowTest, header_of
from ..verdict import Action
from .build import Built, build
from .judge import Judgement
from .kinds import NUMERIC, Scalar
from .report import Report
from .sections import ContractSection, Feature, Mode, Owner, Rule

PREFIX: Final = "rule."
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_BASE: Final[dict[Scalar, Type]] = {
    Scalar.INT: NUMBER,
    Scalar.FLOAT: NUMBER,
    Scalar.STRING: TEXT,
    Scalar.BOOL: TRUTH,
    Scalar.TIMESTAMP: TIME,
    Scalar.BYTES: BYTES,
}


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule. `expression` is false where the rule is broken; `in_body` are its features that stand in the body.

    `when` (None: every row) and `expect` are its two halves as written, for those who explain it.
    """

    code: str
    expression: Expression
    in_body: tuple[str, ...]
    action: Action
    sentence: str
    enforced: bool  # False: seen and listed, never applied
    owner: Owner | None
    expect: Expression
    when: Expression | None = None


class FeatureNames(Declared):
    """The features of a contract, as an expression knows them."""

    def __init__(self, features: Mapping[str, Feature], built: Mapping[str, Built]) -> None:
        checked = {name: feature for name, feature in features.items() if feature.role != "ignored"}
        # A feature that does not compile has its own finding: here it may be anything.
        super().__init__({name: type_of(built[name]) if name in built else ANY for name in checked})
        self._ignored = features.keys() - checked.keys()
        self.ranges = {
            name: (-math.inf if found.low is None else found.low, math.inf if found.high is None else found.high)
            for name, found in built.items()
            if found.kind.scalar in NUMERIC and not found.kind.shape
        }

    def find(self, path: tuple[str, ...]) -> tuple[str, Type]:
        name = ".".join(path)
        if name in self._ignored:
            raise UnknownNameError(f"`{name}` has role: ignored, so nothing is known of its values", "change its role")
        return super().find(path)


def declared_names(section: ContractSection) -> tuple[FeatureNames, dict[str, Type]]:
    """What expressions may say of a row and of its predictions, also where the contract itself does not compile."""
    quiet = Report()
    features = {
        name: found
        for name, feature in section.features.items()
        if feature.role != "ignored" and (found := build(feature, quiet, feature.default)) is not None
    }
    predictions = {
        name: type_of(found)
        for name, prediction in section.prediction.items()
        if (found := build(prediction, quiet)) is not None
    }
    return FeatureNames(section.features, features), predictions


def type_of(built: Built) -> Type:
    """What an expression may do with a value of this kind."""
    if built.kind.shape:
        return LIST
    scalar = built.kind.scalar
    if built.allowed is not None:
        if scalar is Scalar.CATEGORY:
            return category(built.allowed)
        base = _BASE[scalar]
        return Type(base.kind, built.allowed, base.ordered)
    return _BASE.get(scalar, ANY)


def checked(text: str, names: Declared, report: Report) -> Expression | None:
    """The expression at a place of the policy; None when it cannot be meant, which is then reported."""
    try:
        return compile_expression(text, names)
    except ExpressionError as error:
        report.error("bad-expression", f"{error.message} (at character {error.position + 1})", error.hint)
        return None


def compile_rules(
    rules: Sequence[Rule], names: FeatureNames, features: Mapping[str, Feature], report: Report, modes: Sequence[Mode],
    actions: Mapping[str, Action],
) -> tuple[CompiledRule, ...]:  # fmt: skip
    """All rules that are in force for somebody, in policy order. `modes` are the contract's, for all its callers."""
    compiled: list[CompiledRule] = []
    seen: dict[str, int] = {}
    for position, rule in enumerate(rules):
        place = report.at("rules", position)
        if not _ID.fullmatch(rule.id):
            hint = "it travels in headers, metrics and records: letters, digits, `_`, `.` and `-`, at most 64"
            place.at("id").error("rule.id", f"`{rule.id[:64]}` cannot be the id of a rule", hint)
        if rule.id in seen:
            place.at("id").error(
                "rule.twice", f"rule {seen[rule.id] + 1} has the id `{rule.id}` too", "give each rule an id of its own"
            )
        seen.setdefault(rule.id, position)
        if rule.mode is Mode.ENFORCE and Mode.ENFORCE not in modes:
            hint = "a rule's own mode can only be weaker than the contract's"
            place.at("mode").warning("rule.mode", "the contract never enforces, so this rule does not either", hint)
        halves = _halves(rule, names, place)
        if halves is None:
            continue
        when, expect = halves
        expression = _together(when, expect, place)
        if rule.mode is Mode.OFF:
            continue
        if not expression.constant:
            _say_decided(expression, names, place)
        in_body = tuple(name for name in expression.names if header_of(features[name].from_) is None)
        sentence = rule.description or _sentence(rule)
        enforced = rule.mode is not Mode.OBSERVE
        action = actions[rule.on_violation]
        compiled.append(
            CompiledRule(PREFIX + rule.id, expression, in_body, action, sentence, enforced, rule.owner, expect, when)
        )
    return tuple(compiled)


def _halves(rule: Rule, names: FeatureNames, place: Report) -> tuple[Expression | None, Expression] | None:
    expect = checked(rule.expect, names, place.at("expect"))
    when = checked(rule.when, names, place.at("when")) if rule.when else None
    return None if expect is None or (rule.when and when is None) else (when, expect)


def _together(when: Expression | None, expect: Expression, place: Report) -> Expression:
    """What no row may break."""
    if expect.constant:
        _say_constant(expect, place.at("expect"), "the rule can never be broken", "every row breaks the rule")
    if when is None:
        return expect
    if when.constant:
        _say_constant(when, place.at("when"), "`when` chooses all rows: drop it", "the rule is never asked")
    both = implication(when, expect)
    if both.constant and not when.constant and not expect.constant:
        _say_constant(both, place.at("expect"), "the rule can never be broken", "every row breaks the rule")
    return both


def _say_constant(expression: Expression, place: Report, if_true: str, if_false: str) -> None:
    """A condition that no row changes was not meant."""
    answer = expression.answer()
    if answer is None:
        place.error("rule.constant", "this is never decided, whatever the row", "compare features with values")
        return
    word = "true" if answer else "false"
    place.error("rule.constant", f"this is {word} for every row: {if_true if answer else if_false}", "name a feature")


def _say_decided(expression: Expression, names: FeatureNames, place: Report) -> None:
    """A rule that the features' own bounds have answered already."""
    answers = possible(expression.meaning, names.ranges)
    if False not in answers:
        message = "no row can break this rule: the bounds of its features, or the rule itself, rule that out"
        place.at("expect").warning("rule.decided", message, "drop the rule, or correct it")
    elif True not in answers:
        message = "no row can keep this rule: the bounds of its features, or the rule itself, rule that out"
        place.at("expect").warning("rule.decided", message, "correct the rule")


def _sentence(rule: Rule) -> str:
    condition = f" where {rule.when}" if rule.when else ""
    return " ".join(f"must hold{condition}: {rule.expect}".split())


def find_broken(judgement: Judgement, rules: Sequence[CompiledRule], rows: Rows, order: int) -> None:
    """Note every row that breaks a rule. The judgement has the settled values of the rules' features."""
    for rule in rules:
        for row in rule.expression.refused(judgement.settled, rows.read):
            judgement.note(
                row, order, rule.code, "", rule.action, rule.sentence, bool(rule.in_body), rule.enforced, rule.in_body
            )
        order += 1


def row_test(rule: CompiledRule) -> RowTest:
    """The rule for a fast accept, which must decline a row that may break it."""
    return RowTest(rule.expression.names, rule.expression.proof())
