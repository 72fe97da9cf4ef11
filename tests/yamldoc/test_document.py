"""Documents: one or several, and the way from a path in a value back to its line and column."""

from __future__ import annotations

import pytest

from sidecar.yamldoc import Finding, in_order, parse, parse_all

from .sections import Everything

TEXT = """name: x
windows:
  first: {low: 1}
  second:
    low: 2
drawings:
  - kind: square
    side: 5
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        (("name",), (1, 7)),
        (("windows",), (2, 1)),
        (("windows", "first", "low"), (3, 16)),
        (("windows", "second"), (4, 3)),
        (("windows", "second", "low"), (5, 10)),
        (("drawings", 0), (7, 5)),
        (("drawings", 0, "side"), (8, 11)),
        (("windows", "second", "high", "absent"), (4, 3)),
        (("drawings", 7), (6, 1)),
    ],
)
def test_a_path_leads_to_its_line_and_column(path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    assert parse(TEXT, Everything, file="p.yaml").locate(path) == place


def test_a_later_finding_is_placed_by_its_path() -> None:
    parsed = parse(TEXT, Everything, file="p.yaml")
    placed = parsed.place(Finding("rule.bad", "no", path=("windows", "second", "low")))
    assert (placed.file, placed.line, placed.column) == ("p.yaml", 5, 10)
    assert parsed.states(("windows", "second"))
    assert not parsed.states(("windows", "third"))


def test_without_a_document_there_is_no_place() -> None:
    parsed = parse("", Everything, file="p.yaml")
    assert parsed.value is None
    assert parsed.locate(("name",)) == (0, 0)


def test_several_documents_are_read_each_on_its_own() -> None:
    first, second = parse_all("name: a\n---\nname: b\ncount: x\n", Everything, file="p.yaml")
    assert first.value is not None
    assert second.value is None
    assert second.findings[0].line == 4


def test_one_document_is_meant_when_one_is_asked_for() -> None:
    parsed = parse("name: a\n---\nname: b\n", Everything, file="p.yaml")
    assert [(finding.code, finding.line) for finding in parsed.findings] == [("yaml.documents", 3)]
    assert parsed.value is None


def test_findings_are_told_in_reading_order_and_once() -> None:
    def at(file: str, line: int) -> Finding:
        return Finding("c", "m", file=file, line=line)

    assert in_order([at("b", 9), at("a", 5), at("b", 2), at("a", 5)]) == (at("b", 2), at("b", 9), at("a", 5))
