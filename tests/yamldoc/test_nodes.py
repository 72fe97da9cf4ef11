"""Text → trees: what YAML may not do here, and that nothing it does can raise, hang or multiply."""

from __future__ import annotations

import time

import pytest

from sidecar.yamldoc import Finding, Items, Keys, Scalar, read
from sidecar.yamldoc.nodes import MAX_BYTES, MAX_FINDINGS

ALIAS_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def only(text: str | bytes) -> Finding:
    documents, findings = read(text, "p.yaml")
    assert documents == []
    assert len(findings) == 1, findings
    return findings[0]


def test_scalars_keep_their_text_whatever_yaml_thinks_of_it() -> None:
    (root,), findings = read("a: no\nb: 0123\nc: 12:30:00\nd: 1e5\ne: '5'\nf: ~\n", "p.yaml")
    assert findings == []
    assert isinstance(root, Keys)
    texts = {name: node.text for name, (_, node) in root.entries.items() if isinstance(node, Scalar)}
    assert texts == {"a": "no", "b": "0123", "c": "12:30:00", "d": "1e5", "e": "5", "f": "~"}
    fifth = root.get("e")
    assert isinstance(fifth, Scalar)
    assert fifth.quoted


def test_every_node_knows_its_line_and_column() -> None:
    (root,), _ = read("# é\na:\n  - x\n  - {b: ü, c: y}\n", "p.yaml")
    assert isinstance(root, Keys)
    items = root.get("a")
    assert isinstance(items, Items)
    second = items.items[1]
    assert isinstance(second, Keys)
    place, value = second.entries["c"]
    assert (place.line, place.column) == (4, 12)
    assert (value.place.line, value.place.column) == (4, 15)


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "says"),
    [
        ("", "yaml.empty", 1, 1, "empty"),
        ("# only a comment\n", "yaml.empty", 1, 1, "empty"),
        ("---\n---\n", "yaml.empty", 1, 1, "empty"),
        ("a:\n\tb: 1\n", "yaml.syntax", 2, 1, "tab"),
        ("a: b: c\n", "yaml.syntax", 1, 5, "`:`"),
        ("a: [1, 2\n", "yaml.syntax", 2, 1, "list"),
        ("a: {b: 1\n", "yaml.syntax", 2, 1, "section"),
        ('a: "x\n', "yaml.syntax", 2, 1, "quote"),
        ("a: @x\n", "yaml.syntax", 1, 4, "sign"),
        ('a: "\\q"\n', "yaml.syntax", 1, 6, "escape"),
        ('a: "\\UFFFFFFFF"\n', "yaml.syntax", 1, 1, "not YAML"),
        ("%YAML " + "9" * 5000 + ".1\n--- a\n", "yaml.syntax", 1, 1, "not YAML"),
        ("a: \ud800\n", "yaml.syntax", 1, 1, "not YAML"),
        ("a: *b\n", "yaml.alias", 1, 4, "alias"),
        ("a: \x00\n", "yaml.not-text", 1, 4, "U+0000"),
        (b"ok: 1\nab: \xff\n", "yaml.not-text", 2, 5, "0xff"),
        ("a: 1\n".encode("utf-16"), "yaml.not-text", 1, 1, "UTF-8"),
        (b"\x1f\x8b\x08\x00", "yaml.not-text", 1, 2, "UTF-8"),
        ("a" * (MAX_BYTES + 1), "yaml.too-large", 1, 1, "bytes"),
        ("[" * 5000, "yaml.too-deep", 1, 1, "deeper"),
        ("- " * 5000, "yaml.too-deep", 1, 129, "deeper"),
        ("{a: " * 100, "yaml.too-deep", 1, 257, "deeper"),
        ("a: 1\n" + " b: 2\n", "yaml.syntax", 2, 3, "`:`"),
    ],
)
def test_text_that_is_no_policy_is_one_located_sentence(
    text: str | bytes, code: str, line: int, column: int, says: str
) -> None:
    finding = only(text)
    assert (finding.code, finding.line, finding.column) == (code, line, column), finding
    assert says in finding.message
    assert finding.file == "p.yaml"


@pytest.mark.parametrize(
    "bomb", [ALIAS_BOMB, "[" * 5000, "{" * 5000, "a: [" + "[" * 60 + "\n" + "[" * 5000, "? " * 5000]
)
def test_bombs_are_refused_at_once(bomb: str) -> None:
    begin = time.perf_counter()
    _, findings = read(bomb, "p.yaml")
    assert time.perf_counter() - begin < 0.5
    assert findings


def test_anchors_tags_merge_keys_and_odd_keys_are_each_reported_and_reading_goes_on() -> None:
    text = "a: &x 1\nb: !!int 2\nc: {<<: {d: 1}}\n? [e]\n: 1\nf: !!python/object:os.system {}\ng: 1\ng: 2\n"
    documents, findings = read(text, "p.yaml")
    assert [(finding.code, finding.line) for finding in findings] == [
        ("yaml.alias", 1),
        ("yaml.tag", 2),
        ("yaml.merge", 3),
        ("yaml.key", 4),
        ("yaml.tag", 6),
        ("yaml.duplicate-key", 8),
    ]
    (root,) = documents
    assert isinstance(root, Keys)
    first = root.get("g")
    assert isinstance(first, Scalar)
    assert first.text == "1"


def test_findings_stop_at_a_limit() -> None:
    documents, findings = read("a: 1\n" * 50_000, "p.yaml")
    assert documents == []
    assert len(findings) == MAX_FINDINGS + 2
    assert findings[-1].code == "yaml.too-many"


def test_documents_before_a_broken_one_are_read() -> None:
    documents, findings = read("a: 1\n---\nb: 2\n---\nc: [\n", "p.yaml")
    assert len(documents) == 2
    assert [finding.code for finding in findings] == ["yaml.syntax"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem() -> None:
    (root,), findings = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "p.yaml")
    assert findings == []
    assert isinstance(root, Keys)
    assert list(root.entries) == ["a", "b"]


def test_what_is_quoted_from_a_file_cannot_steer_a_terminal() -> None:
    _, findings = read('"\\e[31m": 1\n"\\e[31m": 2\n', "p.yaml")
    assert "\x1b" not in findings[0].message
    assert "\\x1b" in findings[0].message
