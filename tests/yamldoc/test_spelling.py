"""A misspelt key is one finding, and what stands under it is still read, where only one key can be meant."""

from __future__ import annotations

import pytest

from sidecar.yamldoc import Keys, parse, read, spelt

from .sections import Circle, Drawing, Everything, Window


def draft(text: str) -> Everything:
    parsed = parse("name: x\n" + text, Everything, file="p.yaml")
    assert parsed.value is None, "a misspelt key is an error"
    assert parsed.draft is not None
    return parsed.draft


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("tilte: y", "title", "y"),
        ("coutn: 7", "count", 7),
        ("window: {w: {low: 3}}", "windows", {"w": Window(low=3)}),
        ("windows: {w: {lwo: 3}}", "windows", {"w": Window(low=3)}),
        ("tgas: [a, b]", "tags", ("a", "b")),
        ("drawings: [{kidn: circle, radiu: 2}]", "drawings", (Drawing("circle", None, Circle(2.0)),)),
    ],
)
def test_the_draft_has_what_was_meant(text: str, attribute: str, value: object) -> None:
    assert getattr(draft(text), attribute) == value


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("coutn: many", "count"),  # a value the key cannot take
        ("coutn: {a: 1}", "count"),
        ("window: [a]", "windows"),
        ("title: first\ntilte: second", "title"),  # the place is taken
    ],
)
def test_a_guess_that_is_not_sure_is_left_out_and_leads_to_no_second_finding(text: str, attribute: str) -> None:
    parsed = parse("name: x\n" + text, Everything, file="p.yaml")
    assert [finding.code for finding in parsed.findings] == ["key.unknown"]
    expected = {"title": "first", "count": 1}.get(attribute, {})
    assert getattr(parsed.draft, attribute) == expected


def test_of_two_keys_that_may_be_meant_none_is_taken() -> None:
    assert draft("sitle: 3").title == "3"
    assert draft("site: 3MB").size == 1024  # size, or title
    assert draft("site: 3MB").title == ""


def test_mistakes_under_a_misspelt_key_are_found_at_their_places() -> None:
    text = "nmae: x\nwindwos:\n  w: {low: 9, high: 1}\n  v: {low: a, hihg: 3}\n"
    parsed = parse(text, Everything, file="p.yaml")
    found = sorted(parsed.findings, key=lambda each: (each.line, each.column))
    assert [(each.code, each.line, each.column) for each in found] == [
        ("key.unknown", 1, 1),
        ("key.unknown", 2, 1),
        ("window.order", 3, 12),
        ("value.type", 4, 12),
        ("key.unknown", 4, 15),
    ]
    assert parsed.locate(("windows", "v", "high")) == (4, 21)


def test_a_tree_can_be_read_on_as_it_was_meant() -> None:
    (root,), _ = read("name: x\nwindwos: {w: {lwo: 1}}\ncount: none\n", "p.yaml")
    meant, findings = spelt(root, Everything)
    assert isinstance(meant, Keys)
    assert list(meant.entries) == ["name", "windows", "count"]
    assert [finding.code for finding in findings] == ["key.unknown", "key.unknown"]
    assert spelt(meant, Everything) == (meant, ())
