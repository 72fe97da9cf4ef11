"""Trees → values: scalars typed by the field, every mistake told at once, keys that depend on a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from sidecar.yamldoc import Finding, Parsed, Plain, key, parse

from .sections import Circle, Colour, Everything, Replace, Square, Window


def read(text: str) -> Parsed[Everything]:
    return parse(text, Everything, file="p.yaml")


def good(text: str) -> Everything:
    parsed = read(f"name: x\n{text}")
    assert parsed.findings == ()
    assert parsed.value is not None
    return parsed.value


def bad(text: str) -> Finding:
    parsed = read(f"name: x\n{text}")
    assert parsed.value is None
    (finding,) = parsed.findings
    return finding


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "0123", "1e5", "12:30:00", "017", "1.10", "2026-01-01", "true", "0x1F"]
)
def test_a_text_field_is_the_text_as_written(text: str) -> None:
    assert good(f"title: {text}").title == text


def test_every_shape() -> None:
    everything = good(
        """
title: "off"
flag: true
count: 5
ratio: 1e5
limit: off
wait: 250ms
idle: off
size: 1GiB
share: 5%
colour: off
action: {replace: other}
plain: [1, "2", [x]]
version: ["14", 15]
tags: [a, no]
windows: {w: {low: 1, high: 2}}
drawings:
  - {kind: square, side: 3}
  - {kind: circle, radius: 2, label: round}
  - {kind: blob, radius: 7}
from: header:x
"""
    )
    assert everything.flag is True
    assert (everything.count, everything.ratio, everything.limit) == (5, 1e5, None)
    assert (everything.wait, everything.idle, everything.size, everything.share) == (0.25, None, 2**30, 0.05)
    assert everything.colour is Colour.OFF
    assert everything.action == Replace(Plain("other"))
    assert everything.plain == Plain(items=(Plain("1"), Plain("2", True), Plain(items=(Plain("x"),))))
    assert everything.version == ("14", "15")
    assert everything.tags == ("a", "no")
    assert everything.windows == {"w": Window(1, 2)}
    assert [drawing.shape for drawing in everything.drawings] == [Square(3), Circle(2.0, "round"), None]
    assert everything.drawings[1].label == "round"
    assert everything.from_ == "header:x"


def test_one_or_many() -> None:
    assert good("version: 14").version == "14"
    assert good("version: [14]").version == ("14",)


def test_null_unsets_what_may_be_unset_and_is_no_text() -> None:
    assert good("idle: null").idle is None
    assert good("plain: ~").plain is None
    assert bad("title: null").hint == 'for the text write "null"'
    assert bad("title:").message == "`title` expects text, not nothing"
    assert good('title: "null"').title == "null"


@pytest.mark.parametrize(
    ("text", "code", "column", "says", "hint"),
    [
        ("flag: yes", "value.type", 7, "true or false", "write true"),
        ("flag: off", "value.type", 7, "true or false", "write false"),
        ("flag: True", "value.type", 7, "true or false", "write true"),
        ('flag: "true"', "value.type", 7, "true or false", "without quotes"),
        ("count: 1e2", "value.type", 8, "whole number", ""),
        ("count: 017", "value.type", 8, "leading zeros", ""),
        ('count: "5"', "value.type", 8, "quoted", "quotes"),
        ("count: 0", "value.range", 8, "1 to 100", ""),
        ("count: [1]", "value.type", 8, "not a list", ""),
        ("ratio: .inf", "value.type", 8, "number", ""),
        ("wait: 30", "value.type", 7, "30s", ""),
        ("wait: off", "value.type", 7, "duration", "cannot be switched off"),
        ("share: 5", "value.type", 8, "5%", "5%"),
        ("size: 1Gi", "value.type", 7, "GiB", ""),
        ("colour: rde", "value.choice", 9, "red or off", "did you mean `red`?"),
        ("action: clmap", "value.choice", 9, "clamp or reject", "did you mean `clamp`?"),
        ("action: {replce: 1}", "key.unknown", 10, "no key `replce`", "did you mean `replace`?"),
        ("action: {}", "key.missing", 9, "needs the key `replace`", "A value."),
        ("action: [clamp]", "value.type", 9, "not a list", ""),
        ("plain: {a: 1}", "value.type", 8, "not a section", ""),
        ("tags: a", "value.type", 7, "list of texts", "[a, b]"),
        ("tags: [a, [b]]", "value.type", 11, "`tags[1]`", ""),
        ("windows: [a]", "value.type", 10, "section of names", "{key: value}"),
        ("windows: {w: {low: 5, high: 1}}", "window.order", 20, "low is above high", ""),
        ("radius: 5", "key.unknown", 1, "no key `radius`", "keys here"),
        ("low: 5", "key.unknown", 1, "no key `low`", "`low` is a key of `windows[…]:`"),
        ("titel: x", "key.unknown", 1, "no key `titel`", "did you mean `title`?"),
        ("drawings: [{kind: sqare, side: 1}]", "value.choice", 19, "square, circle or blob", "did you mean `square`?"),
        ("drawings: [{kind: square, side: 1, radius: 2}]", "key.unknown", 36, "has no key `radius`", "kind circle"),
        ("drawings: [{kind: square}]", "key.missing", 12, "needs the key `side`", "Length"),
        ("drawings: [{kind: circle, raduis: 1}]", "key.unknown", 27, "raduis", "did you mean `radius`?"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(text: str, code: str, column: int, says: str, hint: str) -> None:
    finding = bad(text)
    assert (finding.code, finding.line, finding.column) == (code, 2, column), finding
    assert says in finding.message
    assert hint in finding.hint


def test_ten_mistakes_are_ten_findings() -> None:
    parsed = read(
        """name: Upper
title:
flag: yes
count: 1e5
wait: 30
size: 1Gi
share: 7
colour: blue
tags: a
tilte: x
"""
    )
    assert [finding.line for finding in parsed.findings] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert parsed.value is None


def test_what_is_wrong_is_replaced_by_defaults_in_the_draft_alone() -> None:
    parsed = read("name: x\ncount: none\nwindows: {w: {low: a}, v: [b]}\n")
    assert parsed.value is None
    assert parsed.draft is not None
    assert parsed.draft.count == 1
    assert parsed.draft.windows == {"w": Window()}


def test_a_misspelled_required_key_is_one_finding() -> None:
    parsed = read("nmae: x\n")
    (finding,) = parsed.findings
    assert finding.hint == "did you mean `name`?"
    assert parsed.value is None


def test_a_required_text_stands_in_for_itself_in_the_draft() -> None:
    assert read("name: Upper\n").draft == Everything(name="Upper")
    assert read("name: Upper\n").value is None
    assert parse("action: {}", Replacing, file="p.yaml").draft is None


@pytest.mark.parametrize("text", ["[a]", "a", "5"])
def test_a_document_must_be_a_section(text: str) -> None:
    (finding,) = read(text).findings
    assert (finding.code, finding.line, finding.column) == ("value.type", 1, 1)


@dataclass(frozen=True)
class Replacing:
    action: Replace = key(doc="A section that must be there.")


@dataclass(frozen=True)
class Strict:
    low: int = key(0, doc="Low.")

    def __post_init__(self) -> None:
        if self.low < 0:
            raise ValueError("low must not be negative")


def test_a_section_that_refuses_itself_is_a_finding() -> None:
    parsed = parse("low: -1", Strict, file="p.yaml")
    (finding,) = parsed.findings
    assert (finding.code, finding.message) == ("value.section", "the document: low must not be negative")


@dataclass(frozen=True)
class Choice:
    size: int | float | Literal["auto"] = key("auto", doc="A number, or auto.")


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("5", 5), ("5.0", 5.0), ("1e2", 100.0)])
def test_of_several_scalars_the_strictest_is_taken(text: str, value: object) -> None:
    parsed = parse(f"size: {text}", Choice, file="p.yaml")
    assert parsed.value is not None
    assert parsed.value.size == value
    assert type(parsed.value.size) is type(value)


@dataclass(frozen=True)
class Typed:
    type: str = key("", doc="Type.")


@dataclass(frozen=True)
class Holder:
    item: Typed = key(doc="A section that has a type.")


def test_a_type_alone_is_told_how_to_be_a_section() -> None:
    (finding,) = parse("item: int", Holder, file="p.yaml").findings
    assert (finding.code, finding.hint) == ("value.type", "write {type: int}")


def test_none_of_several_scalars_is_told_with_all_of_them() -> None:
    (finding,) = parse("size: atuo", Choice, file="p.yaml").findings
    assert finding.message == "`size` expects auto or a whole number or a number, not `atuo`"
    assert finding.hint == "did you mean `auto`?"
