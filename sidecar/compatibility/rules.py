"""Rules of two contracts, paired by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..contract.sections import Rule
from ..expression.tokens import tokens_of
from . import change
from .change import Change, Verdicts
from .direction import Direction
from .effects import DOES, Effect, effect_of_rule, of_input, shift
from .sides import Side, renames, whole
from .spelling import line_of, text_of


def compare_rules(old: Side, new: Side) -> Iterator[Change]:
    """Each rule of either side, by its id."""
    names = {before: name for name, before in renames(old.contract, new.contract).items()}
    before = {rule.id: _renamed(rule, names) for rule in old.contract.rules}
    after = {rule.id: rule for rule in new.contract.rules}
    for name, rule in after.items():
        path = f"contract.rules.{name}"
        if name not in before:
            does = effect_of_rule(rule)
            why = f"A rule is new: rows that break it are {DOES[does]}."
            yield whole(path, "", text_of(rule), shift(Effect.PASS, does), why, new, rule.owner, f"rule.{name}")
            continue
        for key, judge in RULE.items():
            if getattr(before[name], key) != getattr(rule, key):
                verdicts, why = judge(before[name], rule)
                one, other = line_of(before[name], key), line_of(rule, key)
                yield whole(f"{path}.{key}", one, other, verdicts, why, new, rule.owner, f"rule.{name}")
    for name, rule in before.items():
        if name not in after:
            does = effect_of_rule(rule)
            why = f"A rule is gone: rows that were {DOES[does]} by it now pass."
            path = f"contract.rules.{name}"
            yield whole(path, text_of(rule), "", shift(does, Effect.PASS), why, old, rule.owner, f"rule.{name}")
    if before.keys() == after.keys() and list(before) != list(after):
        why = "The order in which violations are told."
        yield whole("contract.rules", text_of(tuple(before)), text_of(tuple(after)), change.TEXT, why, new, None)


def _renamed(rule: Rule, names: Mapping[str, str]) -> Rule:
    """The rule with the names that features have now."""
    return replace(rule, expect=_said(rule.expect, names), when=_said(rule.when, names)) if names else rule


def _said(text: str, names: Mapping[str, str]) -> str:
    for token in reversed(tokens_of(text)):
        name = names.get(token.text.strip("`")) if token.kind == "name" else None
        if name is not None:
            plain = name.replace(".", "_").isidentifier()
            text = text[: token.at] + (name if plain else f"`{name}`") + text[token.end :]
    return text


def _words(text: str) -> list[tuple[str, str]]:
    """What is written, without the white space between: inside quotes it counts."""
    return [(token.kind, token.text) for token in tokens_of(text)]


RuleJudge = Callable[[Rule, Rule], "tuple[Verdicts, str]"]


def _expression(old: Rule, new: Rule) -> tuple[Verdicts, str]:
    if _words(old.expect) == _words(new.expect) and _words(old.when) == _words(new.when):
        return change.TEXT, "Written differently, it means the same."
    before, after = effect_of_rule(old), effect_of_rule(new)
    why = "Another condition: which rows it decides differently cannot be known in general; replay recorded rows."
    return of_input(Direction.UNDECIDED, before, after), why


def _when(old: Rule, new: Rule) -> tuple[Verdicts, str]:
    if old.when and new.when:
        return _expression(old, new)
    moved = Direction.WIDER if new.when else Direction.NARROWER
    judged = "fewer" if new.when else "more"
    return of_input(moved, effect_of_rule(old), effect_of_rule(new)), f"The rule now judges {judged} rows."


def _rule_action(old: Rule, new: Rule) -> tuple[Verdicts, str]:
    before, after = effect_of_rule(old), effect_of_rule(new)
    if before is after:
        return change.WATCHED, "Rows that break it are told otherwise."
    return shift(before, after), f"Rows that break it were {DOES[before]} and are now {DOES[after]}."


RULE: Final[dict[str, RuleJudge]] = {
    "expect": _expression,
    "when": _when,
    "on_violation": _rule_action,
    "mode": _rule_action,
    "description": lambda old, new: (change.TEXT, "For readers."),
    "owner": lambda old, new: (change.TEXT, "For readers."),
}
