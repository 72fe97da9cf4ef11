"""Patterns: whole strings, linear time, and help for what RE2 does not run."""

from __future__ import annotations

import time

import pytest

from sidecar.contract.patterns import PatternError, matcher


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("[0-9]{5}", "01234", True),
        ("[0-9]{5}", "x01234", False),
        ("a|ab", "ab", True),
        (".", "é", True),
        (".", "😀", True),
        ("(?i)abc", "ABC", True),
        ("", "", True),
        ("a*", "\ud800", False),
        ("a\x00b", "a\x00b", True),
    ],
)
def test_the_whole_string_must_match(pattern: str, text: str, matches: bool) -> None:
    assert matcher(pattern)(text) is matches


def test_a_pattern_that_ruins_backtracking_engines_stays_linear() -> None:
    """(a+)+$ against a…ab takes a backtracking engine 2^n steps."""
    matches = matcher("(a+)+")
    started = time.perf_counter()
    assert not matches("a" * 50_000 + "b")
    assert time.perf_counter() - started < 2


def test_a_pattern_too_large_for_the_quick_automaton_is_still_right() -> None:
    matches = matcher("[ab]*a[ab]{300}")
    assert matches("b" * 5 + "a" + "ab" * 150)
    assert not matches("b" * 5 + "b" + "bb" * 150)


@pytest.mark.parametrize(
    ("pattern", "words", "hint"),
    [
        ("(?!a)b", "look-around", "whole value"),
        (r"(?P<x>a)(?P=x)", "back-reference", "leave it out"),
        (r"abc\Z", r"\\Z", "anyway"),
        ("(?#note)a", "comment", "description"),
        ("(?(1)a|b)", "conditional", "both cases"),
        ("*a", "not RE2 syntax", "syntax page"),
        ("\ud800", "not RE2 syntax", "syntax page"),
    ],
)
def test_a_refused_pattern_is_explained(pattern: str, words: str, hint: str) -> None:
    with pytest.raises(PatternError, match=words) as refused:
        matcher(pattern)
    assert hint in refused.value.hint
