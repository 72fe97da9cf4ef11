"""Values → YAML that reads back as these values, and comments that stay comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..yamldoc import quote

LINE_LENGTH: Final = 110
_LONGEST_NAME: Final = 500  # in escapes it is longer, and a YAML key may have 1024 characters


@dataclass(frozen=True, slots=True)
class Guess:
    """What one column may hold: its keys as YAML is to show them, and why. `type` is also among the keys.

    `personal` columns never show a value, in keys, comments or baseline.
    """

    name: str
    type: str
    keys: Mapping[str, str]
    comments: tuple[str, ...] = ()
    personal: bool = False
    looks: tuple[str, ...] = ()  # what a person should look at
    nothing: tuple[str, ...] = ()  # its missing values, as YAML

    def as_prediction(self) -> Guess:
        """Outputs have no role and are not hidden by their key."""
        return replace(self, keys={name: value for name, value in self.keys.items() if name not in ("role", "pii")})


def unusable(name: str) -> str:
    """Why a policy cannot have a feature of this name, or nothing."""
    if not name:
        return "it has no name"
    if len(name) > _LONGEST_NAME:
        return f"its name has {len(name)} characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is no Unicode"
    return ""


def text(value: str) -> str:
    """A text in double quotes, whatever is in it."""
    spelled = quote(value)
    return spelled if spelled.startswith('"') else f'"{spelled}"'


def spelled_type(type_: str) -> str:
    """A type as it may stand in braces: brackets would end there what they begin."""
    return f'"{type_}"' if "[" in type_ else type_


def number(value: int | float) -> str:
    """A number as policies write it."""
    return str(value) if type(value) is int else repr(float(value))


def listed(items: Iterator[str] | list[str]) -> str:
    """A list on one line."""
    return f"[{', '.join(items)}]"


def mapping(keys: Mapping[str, str]) -> str:
    """A section on one line."""
    return "{" + ", ".join(f"{name}: {value}" for name, value in keys.items()) + "}"


def comment(sentence: str, indent: int) -> list[str]:
    """A comment of as many lines as it needs; nothing in it can end it."""
    safe = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in sentence)
    margin = " " * indent + "# "
    return textwrap.wrap(
        safe, LINE_LENGTH, initial_indent=margin, subsequent_indent=f"{margin}  ", break_on_hyphens=False
    )


def counted(count: int, what: str = "row") -> str:
    """`1 row`, `2 rows`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def shown(value: object, limit: int = 40) -> str:
    """A value of the data inside a comment."""
    plain = repr(value) if isinstance(value, float) else str(value)
    return plain if len(plain) <= limit else plain[:limit] + "…"


def guess_lines(guess: Guess, indent: int) -> Iterator[str]:
    """The comments of one column, then its key."""
    margin = " " * indent
    name = quote(guess.name)
    for sentence in guess.comments:
        yield from comment(sentence, indent)
    line = f"{margin}{name}: {mapping(guess.keys)}"
    if len(line) <= LINE_LENGTH + 10 or not guess.keys:
        yield line
        return
    yield f"{margin}{name}:"
    yield from (f"{margin}  {key}: {value}" for key, value in guess.keys.items())
