"""Where a feature comes from, and when two cells are the same."""

from __future__ import annotations

import math

import pytest

from sidecar.rows import MISSING, header_of, same_value


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("header:x-region", "x-region"),
        ("Header: X-Region", "x-region"),
        ("HEADER:", ""),
        ("header", None),
        ("/instances/0/header:x", None),
        ("", None),
    ],
)
def test_a_header_is_known_however_it_is_spelt(source: str, header: str | None) -> None:
    assert header_of(source) == header


def test_what_the_model_would_take_for_the_same() -> None:
    cells = [0, 0.0, False, "0", None, MISSING, math.nan, [math.inf], {}]
    assert [[same_value(one, other) for other in cells] for one in cells] == [
        [row == column for column in range(len(cells))] for row in range(len(cells))
    ]
    assert same_value(math.nan, float("nan"))
