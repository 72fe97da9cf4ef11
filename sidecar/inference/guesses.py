"""A profile → what each column may hold. Conservative: what was seen is accepted, and each guess says what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .numbers import Numbers
from .profile import Column, Profile, missing_words
from .ranges import HIGH_SHARE, LOW_SHARE, bounds, sign_of
from .spelling import Guess, counted, listed, number, shown, spelled_type, text, unusable
from .texts import NOTHING_AMONG_NUMBERS, Look, sounds_like_key, sounds_personal
from .words import MOSTLY, NEAR_UNIQUE, Words, about, guess_words

_ENOUGH_ROWS = 20


@dataclass(frozen=True, slots=True)
class Roles:
    """What a person says of columns by name."""

    predictions: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """The guesses of a table. `left_out` says of each column that is not in the policy why."""

    rows: int
    features: tuple[Guess, ...] = ()
    predictions: tuple[Guess, ...] = ()
    left_out: Mapping[str, str] | None = None

    @property
    def types(self) -> dict[str, str]:
        """Name → type, of features and predictions."""
        return {guess.name: guess.type for guess in (*self.features, *self.predictions)}


def guess_table(profile: Profile, roles: Roles) -> Table:
    """Every column, in order. The profile's sentinels are settled by this: it is complete."""
    features: list[Guess] = []
    predictions: list[Guess] = []
    left_out: dict[str, str] = {}
    for name, column in profile.columns.items():
        why = "--ignore" if name in roles.ignored else unusable(name)
        if why:
            left_out[name] = why
        elif name in roles.predictions:
            predictions.append(guess_column(column, profile.rows).as_prediction())
        else:
            features.append(guess_column(column, profile.rows, key=name in roles.keys))
    return Table(profile.rows, tuple(features), tuple(predictions), left_out)


def guess_column(column: Column, rows: int, *, key: bool = False) -> Guess:
    """One column of a table of `rows` rows."""
    column.numbers.settle()
    found = _guess(column, key=key)
    if found.personal or sounds_personal(column.name):
        found.personal = True
        found.keys["pii"] = "true"
    keys = {"type": spelled_type(found.type), **found.keys}
    nothing = [*found.sentinels]
    absent = rows - column.present
    if found.sentinels or column.nulls:
        keys["nullable"] = "true"
    if nothing:
        keys["missing_values"] = listed(nothing)
    if absent:
        keys["required"] = "false"
    seen = column.present - column.nulls
    sentences = [f"{column.name}: seen in {seen} of {counted(rows)}; {'; '.join(found.said)}"]
    if column.nulls:
        sentences.append(f"  empty or null in {counted(column.nulls)}" + (f", not there in {absent}" if absent else ""))
    elif absent:
        sentences.append(f"  not there in {counted(absent)}")
    if found.sentinels:
        told = ", ".join(f"{value} ({counted(count)})" for value, count in found.sentinels.items())
        sentences.append(f"  stand apart from all else, taken for missing values: {told}")
        found.looks.append("sentinels")
    order = ("type", "role", "min", "max", "values", "pattern", "max_length", "nullable", "missing_values")
    ordered = {name: keys[name] for name in order if name in keys} | keys
    return Guess(column.name, found.type, ordered, tuple(sentences), found.personal, tuple(found.looks), tuple(nothing))


def _guess(column: Column, *, key: bool) -> Words:
    """`sentinels` of the answer are spelled as YAML."""
    numbers, texts, looks = column.numbers, column.texts.tally.total, column.texts.looks
    numeric = numbers.count + sum(numbers.apart.values()) + numbers.nan + sum(numbers.infinite.values())
    truths = sum(column.truths.values())
    if column.lexical:
        nothing = sum(missing_words(column, among_numbers=True).values())
        numeric = looks[Look.WHOLE] + looks[Look.REAL] + looks[Look.CARD]
        cards = bool(numeric) and looks[Look.CARD] == numeric
        if numeric and numeric + nothing == texts and not cards:
            return _numbers(column, key=key)
        if not cards and (strays := _strays(column, numeric, texts - numeric - nothing)):
            return _numbers(column, key=key, strays=strays)
        if looks[Look.TRUTH] and looks[Look.TRUTH] + nothing == texts:
            return _truths(column)
        return _spelled(guess_words(column, key=key)) if texts else _unknown()
    words_for_nothing = all(word in NOTHING_AMONG_NUMBERS for word in column.texts.nothing)
    only_nothing = words_for_nothing and looks[Look.NOTHING] + looks[Look.EMPTY] == texts
    strange = numbers.huge + sum(column.other.values()) + column.bad_lists
    lists = sum(column.lists.values())
    if numeric and only_nothing and not (truths or lists or strange):
        return _numbers(column, key=key)
    if numeric and not (truths or lists or strange):
        nothing = sum(missing_words(column, among_numbers=True).values()) + looks[Look.EMPTY]
        if strays := _strays(column, numeric, texts - nothing):
            return _numbers(column, key=key, strays=strays)
    if truths and only_nothing and not (numeric or lists or strange):
        return _truths(column)
    if texts and not (numeric or truths or lists or strange):
        return _spelled(guess_words(column, key=key))
    if lists and not (numeric or truths or texts or strange):
        return _vectors(column)
    if not (numeric or truths or texts or lists or strange):
        return _unknown()
    kinds = {"numbers": numeric + numbers.huge, "booleans": truths, "texts": texts, "lists of numbers": lists}
    kinds |= {"other lists": column.bad_lists, **column.other}
    seen = {kind: count for kind, count in kinds.items() if count}
    told = ", ".join(f"{kind} ({counted(count)})" for kind, count in seen.items())
    if len(seen) == 1:
        return Words("json", said=[f"{told}: not checked"])
    return Words("json", said=[f"mixed types: {told}; unchecked until the data has one type"], looks=["mixed types"])


def _spelled(words: Words) -> Words:
    words.sentinels = {text(word): count for word, count in words.sentinels.items()}
    return words


def _unknown() -> Words:
    return Words("json", said=["never with a value: its type is not known"], looks=["always empty"])


def _truths(column: Column) -> Words:
    if column.lexical:
        return Words("bool", said=["true or false"], sentinels=_nothing(column))
    yes, no = column.truths[True], column.truths[False]
    return Words("bool", said=[f"true in {yes}, false in {no}"], sentinels=_nothing(column))


def _nothing(column: Column) -> dict[str, int]:
    empty = 0 if column.lexical else column.texts.looks[Look.EMPTY]
    found = {text(word): count for word, count in missing_words(column, among_numbers=True).items()}
    return {'""': empty, **found} if empty else found


def _vectors(column: Column) -> Words:
    element = "float" if column.fractional_lists else "int"
    if len(column.lists) == 1:
        (length,) = column.lists
        return Words(f"{element}[{length}]", said=[f"lists of {length} numbers"])
    shortest, longest = min(column.lists), max(column.lists)
    return Words(f"{element}[]", said=[f"lists of {shortest} to {longest} numbers"])


def _strays(column: Column, numeric: int, others: int) -> dict[str, int]:
    """The few words among very many numbers; nothing where they are not few, not words alone, or personal."""
    strays = column.texts.strays
    if not strays or sum(strays.values()) != others or numeric < MOSTLY * (numeric + others):
        return {}
    return {} if sounds_personal(column.name) else dict(sorted(strays.items()))


def _numbers(column: Column, *, key: bool, strays: Mapping[str, int] | None = None) -> Words:
    numbers = column.numbers
    whole = numbers.floats == 0 and column.texts.looks[Look.REAL] == 0
    words = Words("int" if whole else "float", sentinels=_nothing(column))
    words.sentinels |= {number(value): count for value, count in numbers.apart.items()}
    if strays:
        words.sentinels |= {text(word): count for word, count in strays.items()}
        strayed = sum(strays.values())
        share = 100 * strayed / (numbers.count + strayed)
        words.said.append(f"{share:.2g} % are words: if they mean something, this is no number")
        words.looks.append("text among numbers")
    if numbers.nan:
        words.sentinels["NaN"] = numbers.nan
    words.sentinels |= {
        "Infinity" if value > 0 else "-Infinity": count for value, count in sorted(numbers.infinite.items())
    }
    if numbers.low is None or numbers.high is None:
        words.said.append("no finite number")
        return words
    distinct = numbers.tally.distinct
    exact = numbers.tally.counts is not None
    unique = numbers.count >= _ENOUGH_ROWS and distinct >= (1 if exact else NEAR_UNIQUE) * numbers.count
    if sounds_personal(column.name):
        words.personal = True
        words.keys = {"role": "key"} if key else {}
        words.said.append("personal data, by its name: no value is shown here")
        return words
    shape = "whole numbers" if whole else "numbers"
    if key or (whole and unique and sounds_like_key(column.name)):
        words.keys = {"role": "key", **sign_of(numbers)}
        words.said.append(f"{about(not exact)}{distinct} distinct {shape}: it names something")
        return words
    words.keys, why = bounds(numbers, whole=whole)
    words.said.append(f"{shape} {_range(numbers)}")
    words.said += why
    if numbers.low == numbers.high:
        words.looks.append("constant")
    elif whole and unique:
        words.said.append(f"{about(not exact)}{distinct} distinct: nearly unique; an identifier?")
        words.looks.append("nearly unique")
    _minus_one(numbers, words)
    if whole and max(abs(numbers.low), abs(numbers.high)) > 2**53:
        words.said.append("beyond 2^53, where many readers of JSON round: send it as text")
    return words


def _range(numbers: Numbers) -> str:
    low, high = shown(numbers.low), shown(numbers.high)
    if numbers.low == numbers.high:
        return f"always {low}"
    quantiles = [f"{float(numbers.quantile(share)):.8g}" for share in (LOW_SHARE, 0.5, HIGH_SHARE)]
    return f"{low} to {high} (0.1 %: {quantiles[0]}, median {quantiles[1]}, 99.9 %: {quantiles[2]})"


def _minus_one(numbers: Numbers, words: Words) -> None:
    counts = numbers.tally.counts
    if numbers.low == -1 and counts is not None and sum(value < 0 for value in counts) == 1:
        words.said.append(f"-1 is the only negative ({counted(counts[-1])}): if it means missing, missing_values: [-1]")
        words.looks.append("sentinels")
