"""Two contracts: the keys of the whole, and what is below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ..contract.sections import Mode
from . import change
from .change import Change, Verdicts
from .columns import compare_features, compare_predictions
from .effects import Effect, shift
from .rules import compare_rules
from .sides import Side, modes_of, whole
from .spelling import leaves, line_of, text_of


def compare_whole(old: Side, new: Side) -> Iterator[Change]:
    """Every key of `contract:` in the order of the table."""
    for key, compare in CONTRACT.items():
        if getattr(old.contract, key) != getattr(new.contract, key):
            for found in compare(old, new):
                yield _of_a_batch(found, old, new)
    for key in ("features", "prediction"):
        before, after = (list(getattr(side.contract, key)) for side in (old, new))
        if before != after and sorted(before) == sorted(after):
            why = "The order in which they are told."
            yield whole(f"contract.{key}", text_of(tuple(before)), text_of(tuple(after)), change.TEXT, why, new, None)


def _of_a_batch(found: Change, old: Side, new: Side) -> Change:
    """A rejected row of a batch that had the fallback's answer may, when it is not rejected, be left out instead."""
    if found.verdicts != change.WIDENED or old.contract.on_bad_rows != "fallback":
        return found
    actions = [feature.on_violation for feature in new.contract.features.values()]
    if "drop" not in [*actions, *(rule.on_violation for rule in new.contract.rules)]:
        return found
    why = f"{found.why} In a batch such rows had the fallback's answer: where another check drops them, they have none."
    return replace(found, verdicts=change.SEMANTIC, why=why)


def _mode(old: Side, new: Side) -> Iterator[Change]:
    before, after = modes_of(old.contract), modes_of(new.contract)
    told = False
    for caller in {**before, **after}:
        one, other = before.get(caller, before[""]), after.get(caller, after[""])
        if one is other:
            continue
        told = True
        whom = f"the caller {caller}" if caller else "every caller that is not listed"
        if other is Mode.ENFORCE:
            verdicts, why = change.BREAKING, f"Verdicts are now applied to {whom}: bad rows are refused."
        elif one is Mode.ENFORCE:
            verdicts, why = change.WIDENED, f"Verdicts are no longer applied to {whom}: bad rows reach the model."
        else:
            verdicts, why = change.WATCHED, f"What is judged, without being applied, to {whom}."
        path = f"contract.mode.callers.{caller}" if caller else "contract.mode"
        yield whole(path, one.value, other.value, verdicts, why, new, None)
    if not told:
        old_text, new_text = line_of(old.contract, "mode"), line_of(new.contract, "mode")
        yield whole("contract.mode", old_text, new_text, change.TEXT, "It means the same.", new, None)


_BAD_ROWS: Final[dict[tuple[str, str], tuple[Verdicts, str]]] = {
    ("reject_request", "drop_rows"): (change.WIDENED, "A batch with a bad row is answered without that row."),
    ("reject_request", "fallback"): (change.WIDENED, "A bad row of a batch is answered by the fallback."),
    ("drop_rows", "reject_request"): (change.BREAKING, "A batch with one bad row is now refused whole."),
    ("fallback", "reject_request"): (change.BREAKING, "A batch with one bad row is now refused whole."),
    ("drop_rows", "fallback"): (change.SEMANTIC, "Where a bad row had no answer, it now has the fallback's."),
    ("fallback", "drop_rows"): (change.BREAKING, "A bad row of a batch had an answer, and now has none."),
}
_UNKNOWN: Final = {
    "reject": "Rows with names the contract does not have are now refused.",
    "strip": "Names the contract does not have are now taken out: the model no longer meets them.",
    "warn": "Names the contract does not have now pass with a word.",
    "ignore": "Names the contract does not have now pass without a word.",
}
_UNKNOWN_EFFECT: Final = {"reject": Effect.REFUSE, "strip": Effect.CHANGE, "warn": Effect.PASS, "ignore": Effect.PASS}


def _bad_rows(old: Side, new: Side) -> Iterator[Change]:
    pair = (old.contract.on_bad_rows, new.contract.on_bad_rows)
    yield whole("contract.on_bad_rows", *pair, *_BAD_ROWS[pair], new, None)


def _unknown(old: Side, new: Side) -> Iterator[Change]:
    before, after = old.contract.unknown_features, new.contract.unknown_features
    verdicts = shift(_UNKNOWN_EFFECT[before], _UNKNOWN_EFFECT[after])
    yield whole("contract.unknown_features", before, after, verdicts, _UNKNOWN[after], new, None, "unknown")


def _guard_error(old: Side, new: Side) -> Iterator[Change]:
    before, after = (side.contract.on_guard_error or "reject" for side in (old, new))
    texts = line_of(old.contract, "on_guard_error"), line_of(new.contract, "on_guard_error")
    verdicts = change.TEXT if before == after else change.SEMANTIC
    why = "What callers get when a check of ours fails." if before != after else "Where it enforces, it means the same."
    yield whole("contract.on_guard_error", *texts, verdicts, why, new, None)


def _fallback(old: Side, new: Side) -> Iterator[Change]:
    before, after = old.contract.fallback, new.contract.fallback
    if before is None or after is None:
        verdicts = change.BREAKING_ANSWER if after is None else change.SEMANTIC_ANSWER
        why = (
            "There is no fallback any more: callers get an error where they got an answer."
            if after is None
            else "Callers may now get an answer that no model gave."
        )
        yield whole("contract.fallback", text_of(before), text_of(after), verdicts, why, new, None)
        return
    if set(before.on) != set(after.on):
        lost = set(before.on) - set(after.on)
        verdicts = change.BREAKING_ANSWER if lost else change.SEMANTIC_ANSWER
        gets = "an error where they got an answer" if lost else "an answer that no model gave"
        why = f"Callers get {gets}: on {', '.join(sorted(lost or set(after.on) - set(before.on)))}."
        yield whole("contract.fallback.on", text_of(before.on), text_of(after.on), verdicts, why, new, None)
    elif before.on != after.on:
        yield whole(
            "contract.fallback.on", text_of(before.on), text_of(after.on), change.TEXT, "The same ones.", new, None
        )
    for name in {**before.values, **after.values}:
        one, other = before.values.get(name), after.values.get(name)
        if one != other:
            same_shape = one is not None and other is not None and _shape(one) == _shape(other)
            verdicts = change.SEMANTIC_ANSWER if same_shape else change.BREAKING_ANSWER
            why = "Another value stands in for the model." if same_shape else "The fallback has another shape."
            yield whole(f"contract.fallback.values.{name}", text_of(one), text_of(other), verdicts, why, new, None)


def _shape(value: object) -> object:
    items = getattr(value, "items", None)
    if items is not None:
        return [_shape(item) for item in items]
    text, quoted = str(getattr(value, "text", "")), bool(getattr(value, "quoted", False))
    try:
        float(text)
    except ValueError:
        return "truth" if text in ("true", "false") and not quoted else "text"
    return "text" if quoted else "number"


def _errors(old: Side, new: Side) -> Iterator[Change]:
    before, after = old.contract.errors, new.contract.errors
    loses = after.value == "minimal"
    verdicts = change.SEMANTIC_ANSWER if loses else change.TEXT
    why = "Refusals no longer say their codes." if loses else "What callers are told of a violation."
    yield whole("contract.errors", before.value, after.value, verdicts, why, new, None)


def _candidate(old: Side, new: Side) -> Iterator[Change]:
    for path, one, other in leaves(old.contract.candidate, new.contract.candidate, "contract.candidate"):
        yield whole(path, one, other, change.WATCHED, "It is judged beside this one, never applied.", new, None)


CONTRACT: Final[dict[str, Callable[[Side, Side], Iterator[Change]]]] = {
    "mode": _mode,
    "features": compare_features,
    "rules": compare_rules,
    "prediction": compare_predictions,
    "unknown_features": _unknown,
    "on_bad_rows": _bad_rows,
    "fallback": _fallback,
    "on_guard_error": _guard_error,
    "errors": _errors,
    "candidate": _candidate,
}
