"""The keys of one value: each has its comparator here, and only here. A key without one fails a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..contract.cell import BOUNDS, Cell
from ..contract.sections import Checks, Feature, Prediction, ReplaceWith
from ..rows import MISSING, Value
from . import change, direction
from .change import Change, Model, Verdicts
from .direction import Checked, Direction
from .effects import DOES, Effect, Side, effect, met, of_input, of_output, shift, shift_answer, shift_met, word_of
from .spelling import key_named, line_of


@dataclass(frozen=True, slots=True)
class Pair:
    """One value in two policies. `code` begins its codes without the dot (`age`, `prediction.score`)."""

    path: str
    code: str
    old: Checked
    new: Checked
    old_cell: Cell | None
    new_cell: Cell | None
    owner: str
    output: bool = False


# What one key says: the verdicts and a sentence; None = nothing that matters.
Said = tuple[Verdicts, str]
Judge = Callable[[Pair], "Said | None"]


@dataclass(frozen=True, slots=True)
class Key:
    """Attributes that are judged together, and how. `always`: they may move without being written differently."""

    attributes: tuple[str, ...]
    judge: Judge
    always: bool = False


def _accepts(compare: Callable[[Checked, Checked], Direction], check: str, what: str) -> Judge:
    """A check: what it accepts, and what is done with what it does not."""

    def judge(pair: Pair) -> Said | None:
        moved = compare(pair.old, pair.new)
        if moved is Direction.SAME:
            return None
        before, after = effect(pair.old.keys, check), effect(pair.new.keys, check)
        side: Side = of_output if pair.output else of_input
        return side(moved, before, after), _sentence(moved, what, before, after, pair.output)

    return judge


def _sentence(moved: Direction, what: str, before: Effect, after: Effect, output: bool) -> str:
    rows = "answers" if output else "rows"
    match moved:
        case Direction.NARROWER:
            return f"Narrower {what}: {rows} that were within it are now {DOES[after]}."
        case Direction.WIDER if output and before is not Effect.PASS:
            return f"Wider {what}: answers may hold what they never held."
        case Direction.WIDER:
            model = ": the model may meet what it did not meet before" if before is not Effect.PASS else ""
            return f"Wider {what}: {rows} that were {DOES[before]} now pass{model}."
        case Direction.BOTH:
            return f"Another {what}: some {rows} that passed are now {DOES[after]}, others now pass."
    return f"Another {what}: which {rows} it decides differently cannot be known in general; replay recorded rows."


def _meets(*values: Value, at_least: Verdicts = change.TEXT, why: str) -> Judge:
    """Null, missing: values that can be tried."""

    def judge(pair: Pair) -> Said | None:
        return _tried(pair, values, at_least, why)

    return judge


def _tried(pair: Pair, values: Sequence[Value], at_least: Verdicts, why: str) -> Said | None:
    found = Verdicts(model=Model.NONE) if pair.output and at_least == change.TEXT else at_least
    sentences = []
    for value in values:
        before, after = met(pair.old_cell, value), met(pair.new_cell, value)
        verdicts = shift_met(before, after)
        if verdicts is None:
            continue
        if pair.output:
            verdicts = shift_answer_met(before.effect, after.effect)
        found = change.worst(found, verdicts)
        name = "without it" if value is MISSING else "with null" if value is None else f"with {value}"
        now = "are changed to another value" if before.effect is after.effect else f"are now {DOES[after.effect]}"
        sentences.append(f"rows {name} were {DOES[before.effect]} and {now}")
    if not sentences and at_least == change.TEXT:
        return None
    told = f" {'; '.join(sentences).capitalize()}." if sentences else ""
    return found, why + told


def shift_answer_met(before: Effect, after: Effect) -> Verdicts:
    """As `shift_answer`, for a value that may have been good: what was refused and now passes is new to callers."""
    if before is not Effect.PASS and after is Effect.PASS:
        return change.BREAKING_ANSWER
    return change.NARROWED_ANSWER if before is Effect.PASS else change.SEMANTIC_ANSWER


def _sentinels(pair: Pair) -> Said | None:
    """Values that came to mean null, or no longer do."""
    old, new = pair.old.built.sentinels, pair.new.built.sentinels
    moved: list[Value] = []
    for one, other in ((old, new), (new, old)):
        moved += [value for value in (*one.texts, *one.bools, *one.numbers) if value not in other]
        if one.nan and not other.nan:
            moved.append(float("nan"))
    if not moved:
        return None
    why = "A value that means null is another value: what rows say changes silently."
    return _tried(pair, sorted(moved, key=repr), change.SEMANTIC_ANSWER if pair.output else change.SEMANTIC, why)


def _action(pair: Pair) -> Said | None:
    """What is done with a bad value. Clamping mends bounds alone, so there are two cases."""
    old, new = pair.old.keys, pair.new.keys
    if word_of(old) == word_of(new) and old.on_violation == new.on_violation:
        return None
    bounded = next((name for name in sorted(BOUNDS) if any(getattr(side, name) is not None for side in (old, new))), "")
    cases = ["type", bounded] if bounded else ["type"]
    found = change.TEXT
    sentences: dict[tuple[Effect, Effect], str] = {}
    for case in cases:
        before, after = effect(old, case), effect(new, case)
        if before is after and after not in (Effect.PASS, Effect.CHANGE):
            continue
        moved = _moved(before, after, pair.output)
        found = change.worst(found, moved) if sentences else moved
        rows = "out of bounds" if case != "type" else "that break it"
        if before is not after:
            said = f"were {DOES[before]} and are now {DOES[after]}"
        else:
            said = "are told otherwise" if after is Effect.PASS else "are changed to another value"
        sentences.setdefault((before, after), f"values {rows} {said}")
    if not sentences:
        return None
    text = "; ".join(sentences.values())
    return found, f"{text[0].upper()}{text[1:]}."


def _moved(before: Effect, after: Effect, output: bool) -> Verdicts:
    if before is after is Effect.CHANGE:
        return change.SEMANTIC_ANSWER if output else change.SEMANTIC
    return shift_answer(before, after) if output else shift(before, after)


def _role(pair: Pair) -> Said | None:
    old, new = getattr(pair.old.keys, "role", "input"), getattr(pair.new.keys, "role", "input")
    if old == new:
        return None
    if "ignored" in (old, new):
        before, after = effect(pair.old.keys, "type"), effect(pair.new.keys, "type")
        if new == "ignored":
            return shift(before, Effect.PASS), "It is no longer checked: anything reaches the model."
        return shift(Effect.PASS, after), f"It was not checked: values that break its checks are now {DOES[after]}."
    if "slice_only" in (old, new):
        gone = "is taken out before the model" if new == "slice_only" else "now reaches the model"
        return change.SEMANTIC, f"It {gone}: the same row gives another answer."
    return change.WATCHED, "It plays another part in records and reports."


def _lifecycle(pair: Pair) -> Said | None:
    why = "It is announced, in use or on its way out."
    return _tried(pair, (MISSING,), change.WATCHED, why)


def _unit(pair: Pair) -> Said | None:
    old, new = (side.keys.unit or side.keys.units for side in (pair.old, pair.new))
    if old == new:
        return None
    verdicts = change.SEMANTIC_ANSWER if pair.output else change.SEMANTIC
    return verdicts, "The same number means another amount: nothing is refused, everything may be wrong."


def _from(pair: Pair) -> Said | None:
    return change.BREAKING, "It is read from another place: callers must send it there."


def fixed(verdicts: Verdicts, why: str) -> Judge:
    """A key whose every change means the same."""
    return lambda pair: (verdicts, why)


_TEXT: Final = fixed(change.TEXT, "For readers.")
_WATCH: Final = fixed(change.WATCHED, "What is watched and kept changes, not what is answered.")
_USED: Final = fixed(change.TEXT, "Where the definition is written; what it says is compared key by key.")

CHECKS: Final = (
    Key(("type",), _accepts(direction.kind, "type", "type or shape"), always=True),
    Key(("min", "exclusive_min"), _accepts(direction.low, "min", "range (its low end)")),
    Key(("max", "exclusive_max"), _accepts(direction.high, "max", "range (its high end)")),
    Key(("multiple_of",), _accepts(direction.multiple_of, "multiple_of", "step")),
    Key(("values",), _accepts(direction.values, "values", "set of values")),
    Key(("not_values",), _accepts(direction.not_values, "not_values", "choice (by what is refused)")),
    Key(("pattern",), _accepts(direction.pattern, "pattern", "pattern")),
    Key(("format",), _accepts(direction.format_, "format", "format")),
    Key(("min_length",), _accepts(direction.min_length, "min_length", "length")),
    Key(("max_length",), _accepts(direction.max_length, "max_length", "length")),
    Key(("finite",), _accepts(direction.finite, "finite", "choice of numbers (NaN, infinities)")),
    Key(("not_in_future",), _accepts(direction.not_in_future, "not_in_future", "time span")),
    Key(("max_age",), _accepts(direction.max_age, "max_age", "time span")),
    Key(("nullable",), _meets(None, why="Whether null is a good value.")),
    Key(("required",), _meets(MISSING, why="Whether it must be there.")),
    Key(("missing_values",), _sentinels),
    Key(("on_violation",), _action, always=True),
    Key(("unit", "units"), _unit),
    Key(("repair_alert_above",), _WATCH),
    Key(("description",), _TEXT),
    Key(("owner",), _TEXT),
)
FEATURE: Final = (
    *CHECKS,
    Key(("default",), _meets(MISSING, None, why="What is set where it is missing or null.")),
    Key(("unique",), _accepts(direction.unique, "unique", "choice of batches")),
    Key(("role",), _role),
    Key(("from_",), _from),
    Key(("lifecycle",), _lifecycle),
    Key(("source",), _TEXT),
    Key(("pii",), _WATCH),
    Key(("watch",), _WATCH),
    Key(("use",), _USED),
    Key(("renamed_from",), _TEXT),
)
# Keys that say which values are good.
CHECKING: Final = frozenset(
    {"type", "min", "max", "exclusive_min", "exclusive_max", "multiple_of", "values", "not_values", "pattern", "format",
     "min_length", "max_length", "finite", "not_in_future", "max_age", "unique"}
)  # fmt: skip
KEYS: Final[dict[type[Checks], tuple[Key, ...]]] = {Feature: FEATURE, Prediction: CHECKS}


def compare_value(pair: Pair) -> Iterator[Change]:
    """Every key of one value that differs, in the order of the table."""
    old, new = pair.old.keys, pair.new.keys
    for key in KEYS[type(new)]:
        differing = [name for name in key.attributes if getattr(old, name) != getattr(new, name)]
        if not differing and not key.always:
            continue
        said = key.judge(pair)
        if said is None:
            if not differing:
                continue
            said = change.TEXT, "Written differently, it means the same."
        verdicts, why = said
        names = differing or list(key.attributes)
        yield Change(
            path=f"{pair.path}.{key_named(type(new), names[-1] if len(names) == 1 else names[0])}",
            old=_shown(old, pair.old, names),
            new=_shown(new, pair.new, names),
            verdicts=verdicts,
            why=why,
            owner=pair.owner,
            feature=pair.code,
            code=f"{pair.code}.{names[0]}" if len(names) == 1 and names[0] in CHECKING - {"type"} else "",
        )


def _shown(keys: Checks, checked: Checked, names: Sequence[str]) -> str:
    if names == ["type"] and not keys.type:
        return _kind_of(checked)
    if names == ["on_violation"] and keys.on_violation is None:
        return word_of(keys)
    if names == ["on_violation"] and isinstance(keys.on_violation, ReplaceWith):
        return line_of(keys, "on_violation")
    lines = {name: line_of(keys, name) for name in names}
    if len(names) == 1:
        return lines[names[0]]
    return ", ".join(f"{key_named(type(keys), name)}: {text}" for name, text in lines.items() if text)


def _kind_of(checked: Checked) -> str:
    kind: Any = checked.built.kind
    sizes = ",".join("" if size is None else str(size) for size in kind.shape)
    return f"{kind.scalar}[{sizes}]" if kind.shape else str(kind.scalar)
