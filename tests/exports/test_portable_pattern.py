"""A portable pattern matches, searched for by Python, exactly what RE2 matches whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.patterns import PatternError, matcher
from sidecar.exports.portable_pattern import portable

PIECES = ["a", "b", ".", r"\d", r"\w", r"\s", r"\D", r"\.", r"\/", "/", "-", "[a-c]", "[^a]", r"[\d-]", "[]a]", "[a^]",
          r"[\]\\]", "(", ")", "|", "*", "+", "?", "{2}", "{1,}", "{,2}", "{", "}", "]", "^", "$", "(?:", "é", "[[]",
          r"\n", r"[\s]", "[/]"]  # fmt: skip
TEXTS = st.text(st.sampled_from("ab19 _.-/\n\ré[]{}\\^$"), max_size=5)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=5), texts=st.lists(TEXTS, max_size=10))
@settings(max_examples=200, deadline=None)
def test_the_same_strings_match(pieces: list[str], texts: list[str]) -> None:
    pattern = "".join(pieces)
    try:
        matches = matcher(pattern)
    except PatternError:
        return
    translated = portable(pattern)
    if translated is None:
        return
    for text in texts:
        assert (re.search(translated, text) is not None) is matches(text), (pattern, translated, text)


@pytest.mark.parametrize(
    "pattern", [r"\bword\b", r"\pL+", "[[:alpha:]]", "(?i)abc", r"(?P<name>a)", r"\x41", r"\Aab\z", "😀", r"[\D]"]
)
def test_what_the_dialects_read_differently_is_left_out(pattern: str) -> None:
    matcher(pattern)  # it is RE2
    assert portable(pattern) is None


def test_it_stays_readable() -> None:
    assert portable("[0-9]{5}") == r"^(?:[0-9]{5})(?![\s\S])"
