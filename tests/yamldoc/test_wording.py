"""The word that was probably meant."""

from __future__ import annotations

import pytest

from sidecar.yamldoc import nearest

KNOWN = ["INCOME", "Age", "loan_amount", "min"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("income", "INCOME"),
        ("INCOM", "INCOME"),
        ("gae", "Age"),
        ("LoanAmount", "loan_amount"),
        ("mni", "min"),
        ("occupation", ""),
        ("", ""),
    ],
)
def test_the_nearest_word_is_found_in_any_case(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == meant
