"""Text → tokens, in one pass over it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .fault import ExpressionError

MOST_CHARACTERS: Final = 4000

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>(?:[^\W\d]\w*|`[^`]+`)(?:\.(?:\w+|`[^`]+`))*)
    | (?P<sign>==|!=|<=|>=|<|>|[()\[\],+*/%-])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: Final = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
_INSTEAD: Final = {
    "=": "one `=` is written `==`",
    "&": "it means nothing here; write `and`",
    "|": "it means nothing here; write `or`",
    "!": "it means nothing here; write `not`",
    "'": "it means nothing here: the text is not closed",
    '"': "it means nothing here: the text is not closed",
    "`": "it means nothing here: the name is not closed",
}


class Token(NamedTuple):
    """One word of the text, and where it stands."""

    kind: str  # number | text | name | sign | word | end
    text: str
    at: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """All tokens, the last one of kind "end". ExpressionError for what is none."""
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"an expression has at most {MOST_CHARACTERS} characters", text[:60], 0)
    tokens: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            while text[at].isspace():
                at += 1
            raise ExpressionError(f"`{text[at]}`: {_INSTEAD.get(text[at], 'it means nothing here')}", text, at)
        kind = str(match.lastgroup)
        found, start = match[kind], match.start(kind)
        if kind == "name" and found.lower() in _WORDS:
            kind, found = "word", found.lower()
        tokens.append(Token(kind, found, start, match.end()))
        at = match.end()
    tokens.append(Token("end", "", end, end))
    return tokens
