"""The texts of a column → what its strings may be: a category, a key, a date, personal data, or text of some length."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..yamldoc import quote
from .profile import Column
from .spelling import counted, listed, shown, text
from .texts import LABELS, NOTHING, PERSONAL, Look, pattern_of, sounds_like_key, sounds_personal

MOST_CATEGORIES = 50
ROWS_PER_CATEGORY = 20
LONGEST_CATEGORY = 100
NEAR_UNIQUE = 0.9
UNSEEN_TOLERATED = 0.001  # of rows with a value that was not seen: above it, a new value only warns
MOSTLY = 0.99  # of a column are numbers: then words among them are strays, and it is a column of numbers
_SOME = 0.05
_ENOUGH_ROWS = 20
_COMMAS = (Look.COMMA, Look.GROUPED, Look.EITHER)
# What the numbers of a column have that only one reading allows → what their commas mean, how to write them.
_COMMA_MEANS = {
    frozenset({Look.COMMA}): ("a decimal comma", " a point"),
    frozenset({Look.GROUPED}): ("commas between thousands", "out them"),
    frozenset({Look.COMMA, Look.GROUPED}): ("decimal commas, or with commas between thousands", " a point alone"),
    frozenset[Look](): ("commas that part thousands, or are decimal commas (1,100 is 1100, or 1.1)", "out them"),
}
_FREE_TEXT = 40  # characters on average


@dataclass(slots=True)
class Words:
    """What is guessed of a column of strings. `sentinels` are texts that stand for nothing, with their counts."""

    type: str = "string"
    keys: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    sentinels: dict[str, int] = field(default_factory=dict)
    personal: bool = False


def guess_words(column: Column, *, key: bool) -> Words:
    """Strings of one column; `key` when a person says that it is one."""
    texts = column.texts
    words = Words()
    words.sentinels = {word: count for word, count in sorted(texts.nothing.items()) if word in NOTHING}
    if texts.looks[Look.EMPTY] and not column.lexical:
        words.sentinels = {"": texts.looks[Look.EMPTY], **words.sentinels}
    count = texts.tally.total - sum(words.sentinels.values())
    if count <= 0:
        words.sentinels = {}
        words.said.append("no other text was seen")
        words.keys["max_length"] = str(_room(texts.longest))
        return words
    if texts.looks[Look.HIDDEN]:
        words.type, words.personal = "json", True
        words.said.append("hidden by the policy it was recorded under: its values are not known")
        return words
    if _dates(column, words, count):
        words.personal = sounds_personal(column.name)
    else:
        _plain(column, words, count, key=key)
    if key:
        words.keys["role"] = "key"
    return words


def _room(length: int) -> int:
    """Twice the longest, at least 16."""
    return max(16, 2 * length)


def _dates(column: Column, words: Words, count: int) -> bool:
    texts = column.texts
    stamps, dates = texts.looks[Look.STAMP], texts.looks[Look.DATE]
    if stamps + dates != count:
        return False
    years = sorted(texts.years)
    if texts.no_days and years:
        span = max(years[-1] - years[0], 1)
        for day, seen in sorted(texts.no_days.items()):
            if not years[0] - span <= _year(day) <= years[-1] + span:
                words.sentinels[day] = seen
    forms = ", ".join(f"{form} ({counted(number)})" for form, number in texts.forms.most_common())
    personal = sounds_personal(column.name)
    between = f"years {years[0]} to {years[-1]}, " if years and not personal else ""
    if not dates:
        words.type = "timestamp"
        words.said.append(f"{between}RFC 3339 with a zone; consider not_in_future: true or max_age: 48h")
        return True
    words.keys["max_length"] = str(_room(texts.longest))
    if len(texts.forms) == 1:
        words.keys["pattern"] = text(pattern_of(next(iter(texts.forms))))
        words.said.append(f"{between}dates as {forms}; not RFC 3339 with a zone, so text of this form")
    else:
        words.said.append(f"{between}dates in {len(texts.forms)} formats: {forms}; agree on one")
        words.looks.append("dates in more than one format")
    return True


def _year(day: str) -> int:
    return int(day[:4]) if day[:4].isdigit() else int(day[6:10])


def _plain(column: Column, words: Words, count: int, *, key: bool) -> None:
    texts = column.texts
    tally = texts.tally
    distinct = tally.distinct - len(words.sentinels)
    personal = [look for look in PERSONAL if texts.looks[look] >= _SOME * count]
    words.personal = bool(personal) or sounds_personal(column.name)
    words.keys["max_length"] = str(_room(texts.longest))
    unique = count >= _ENOUGH_ROWS and distinct >= NEAR_UNIQUE * count
    if words.personal:
        looks = " and ".join(LABELS[look] for look in sorted(personal)) or "personal data, by its name"
        words.said.append(f"looks like {looks}: no value is listed here")
        if key or (unique and sounds_like_key(column.name)):
            words.keys["role"] = "key"
        return
    if texts.digits == count and texts.looks[Look.LED]:
        words.keys["pattern"] = text("[0-9]+")
        words.said.append(
            f"digits with leading zeros in {counted(texts.looks[Look.LED])}: identifiers, which stay text"
        )
    _mixture(column, words, count)
    if key or (unique and (sounds_like_key(column.name) or texts.looks[Look.UUID] == count)):
        words.keys["role"] = "key"
        words.said.append(f"{about(tally.counts is None)}{distinct} distinct values: it names something")
    elif unique and "commas in numbers" not in words.looks:
        words.said.append(f"{about(tally.counts is None)}{distinct} distinct values: nearly unique; an identifier?")
        words.looks.append("nearly unique")
    elif distinct == 1 and tally.counts is not None:
        words.said.append(f"constant: always {shown(next(v for v in tally.counts if v not in words.sentinels))}")
        words.looks.append("constant")
    elif (
        distinct <= MOST_CATEGORIES
        and not any(texts.looks[look] for look in _COMMAS)
        and count >= ROWS_PER_CATEGORY * distinct
        and texts.longest <= LONGEST_CATEGORY
    ):
        _category(column, words, count)
    elif texts.letters >= _FREE_TEXT * tally.total and texts.with_spaces > count / 2:
        words.said.append(f"free text, {texts.shortest} to {texts.longest} characters")
    else:
        why = (
            "too many to list"
            if distinct > MOST_CATEGORIES
            else f"not listed: fewer than {ROWS_PER_CATEGORY} rows each"
        )
        words.said.append(f"{about(tally.counts is None)}{distinct} distinct values, {why}")


def about(estimated: bool) -> str:
    """The word before a number that is an estimate."""
    return "about " if estimated else ""


def _mixture(column: Column, words: Words, count: int) -> None:
    """Numbers among words: what a person should look at."""
    texts = column.texts
    numeric = texts.looks[Look.WHOLE] + texts.looks[Look.REAL]
    commas = {look for look in _COMMAS if texts.looks[look]}
    if commas and sum(texts.looks[look] for look in commas) + numeric == count:
        sure = frozenset(commas - {Look.EITHER})
        if not sure and texts.looks[Look.REAL]:  # a point among them is the decimal one
            sure = frozenset({Look.GROUPED})
        what, until = _COMMA_MEANS[sure]
        words.said.append(f"numbers with {what}: text, until they are written with{until}")
        words.looks.append("commas in numbers")
        return
    if not numeric or numeric == count or texts.digits == count:
        return
    examples = ", ".join(shown(each, 20) for each in texts.examples)
    such = f", such as {examples}" if examples else ""
    words.said.append(f"mixed: {counted(numeric)} like numbers, {count - numeric} do not{such}")
    if numeric >= MOSTLY * count:
        zeros = "some have leading zeros, as identifiers have"
        kinds = "the others are too many, or no plain words, to be missing values: clean them and infer again"
        words.said.append(f"text, not numbers: {zeros if texts.looks[Look.LED] else kinds}")
    words.looks.append("mixed types")


def _category(column: Column, words: Words, count: int) -> None:
    """Good-Turing (Good 1953): the share of rows to come with a value not seen is about once-seen values / rows."""
    texts = column.texts
    values = {value: seen for value, seen in (texts.tally.counts or {}).items() if value not in words.sentinels}
    once = sum(seen == 1 for seen in values.values())
    unseen = once / count
    del words.keys["max_length"]
    words.keys.pop("pattern", None)
    words.type = "category"
    words.keys["values"] = listed([quote(value) for value in sorted(values)])
    action = "reject" if unseen <= UNSEEN_TOLERATED else "warn"
    words.keys["on_violation"] = action
    rarest = min(values.values())
    estimate = f"{100 * unseen:.2g} % of rows to come" if once else "hardly any row to come"
    words.said.append(f"{counted(len(values), 'value')}, the rarest in {counted(rarest)}")
    words.said.append(f"{estimate} will have another one (Good-Turing): {action}")
