"""YAML text → trees of located nodes, under limits. No objects are constructed, so nothing is typed by YAML's rules.

Built on the parser's events rather than on its composer: aliases are refused where they stand (nothing can multiply),
depth is counted (5000 `[` cost 65 events, not the interpreter's stack), and duplicate keys are seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from .vocabulary import Finding

MAX_BYTES: Final = 1024 * 1024  # of one file: what a ConfigMap can hold
MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
MAX_FINDINGS: Final = 200
_USERINFO: Final = re.compile(r"://[^/\s]*@")
_RUN_OF_OPENINGS: Final = re.compile(rf"(?:[\[{{][ \t\r\n]*){{{MAX_DEPTH + 1}}}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column count from 1, in characters. 0 = nowhere in a file."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Scalar:
    """One piece of text. `quoted` is true for '…', "…", | and >."""

    text: str
    place: Place
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it spells YAML's null."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Items:
    """A YAML sequence."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Keys:
    """A YAML mapping: key text → (where the key stands, value)."""

    place: Place
    entries: dict[str, tuple[Place, Node]] = field(default_factory=dict)

    def get(self, name: str) -> Node | None:
        """The value of a key, or None."""
        entry = self.entries.get(name)
        return None if entry is None else entry[1]


Node: TypeAlias = Scalar | Items | Keys


@dataclass(slots=True)
class _Open:
    """A collection being read; `key` is the key that waits for its value (None: the next scalar is a key)."""

    node: Items | Keys
    key: str | None = None
    key_place: Place | None = None
    dropped: bool = False  # the waiting key is a duplicate, or no key at all: its value is read and forgotten


def show(text: str, limit: int = 60) -> str:
    """Text from a file, safe to print: without a URL's password, control characters escaped, cut to `limit`, in
    backticks."""
    text = _USERINFO.sub("://…@", text)
    safe = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text[: limit + 1])
    return f"`{safe[:limit]}…`" if len(safe) > limit else f"`{safe}`"


def read(
    text: str | bytes, file: str, begins: str = "a policy begins with `policy: NAME`"
) -> tuple[list[Node], list[Finding]]:
    """Every document of a file as a tree, and what is wrong with the text itself. Nothing is raised. `begins` is said
    of an empty one.

    After a fault of syntax YAML cannot be read further: the documents before it are returned, the broken one is not.
    """
    findings: list[Finding] = []
    decoded = _decode(text, file, findings)
    if decoded is None:
        return [], findings
    documents: list[Node] = []
    try:
        for document in _documents(decoded, file, findings):
            if not (isinstance(document, Scalar) and document.is_null):
                documents.append(document)
    except _RefusedError as refused:
        findings.append(refused.finding)
    except yaml.MarkedYAMLError as error:
        findings.append(_syntax(error, file))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape or number the scanner chokes on
        findings.append(_refuse("yaml.syntax", Place(file, 1, 1), f"this is not YAML: {show(str(error))}", "").finding)
    if not documents and not findings:
        findings.append(_refuse("yaml.empty", Place(file, 1, 1), "the file is empty", begins).finding)
    return documents, findings


class _RefusedError(Exception):
    """Reading stops here, with a finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def _finding(code: str, place: Place, message: str, hint: str) -> Finding:
    return Finding(code, message, hint, file=place.file, line=place.line, column=place.column)


def _refuse(code: str, place: Place, message: str, hint: str) -> _RefusedError:
    return _RefusedError(_finding(code, place, message, hint))


def _decode(text: str | bytes, file: str, findings: list[Finding]) -> str | None:
    if len(text) > MAX_BYTES:
        hint = f"a file may have {MAX_BYTES} bytes; split it"
        findings.append(_finding("yaml.too-large", Place(file, 1, 1), f"the file has {len(text)} bytes", hint))
        return None
    decoded = text if isinstance(text, str) else ""
    if isinstance(text, bytes):
        try:
            decoded = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8")
            utf16 = text[:2] in (b"\xff\xfe", b"\xfe\xff")
            hint = "save it as UTF-8" if utf16 else "is this the right file? Policies are UTF-8 text"
            message = f"the file is not UTF-8 text: byte 0x{text[error.start]:02x}"
            findings.append(_finding("yaml.not-text", _place_at(before, len(before), file), message, hint))
            return None
    for position, sign in enumerate(decoded):
        if sign < " " and sign not in "\t\n\r":
            hint = "is this the right file? Inside quotes write \\x.."
            message = f"the file is not text: control character U+{ord(sign):04X}"
            findings.append(_finding("yaml.not-text", _place_at(decoded, position, file), message, hint))
            return None
    run = _RUN_OF_OPENINGS.search(
        decoded
    )  # the scanner looks 1024 characters ahead, in quadratic time: do not start it
    if run is not None:
        findings.append(_too_deep(_place_at(decoded, run.start(), file)))
        return None
    return decoded


def _too_deep(place: Place) -> Finding:
    message, hint = f"nested deeper than {MAX_DEPTH} levels", "no section of a policy needs that"
    return _finding("yaml.too-deep", place, message, hint)


def _place_at(text: str, position: int, file: str) -> Place:
    start = text.rfind("\n", 0, position) + 1
    return Place(file, text.count("\n", 0, position) + 1, position - start + 1)


def _place(mark: Any, file: str) -> Place:
    return Place(file, 1, 1) if mark is None else Place(file, mark.line + 1, mark.column + 1)


_HINTS: Final = (
    ("'\\t'", "a tab cannot indent YAML", "indent with spaces"),
    ("mapping values are not allowed", "a `:` stands where none can", "quote text that holds `: `; check the indent"),
    ("could not find expected ':'", "a key without `:`", "write `key: value`; check the indent and open quotes"),
    ("expected <block end>", "the indent does not fit what is above", "align keys of one section"),
    ("expected ',' or ']'", "a list in [ ] goes wrong here", "separate items by `,` and close it with `]`"),
    ("expected ',' or '}'", "a section in { } goes wrong here", "separate keys by `,` and close it with `}`"),
    ("unexpected end of stream", "the file ends inside a quoted text", "close the quote"),
    ("cannot start any token", "a text cannot begin with this sign", "put the text in quotes"),
    ("unknown escape", "no such escape in a double-quoted text", "use single quotes for text with backslashes"),
    ("did not find expected", "this is not YAML", ""),
)


def _syntax(error: yaml.MarkedYAMLError, file: str) -> Finding:
    problem = error.problem or "syntax error"
    place = _place(error.problem_mark or error.context_mark, file)
    known = (row for row in _HINTS if row[0] in problem)
    _, message, hint = next(known, ("", f"this is not YAML: {problem}", ""))
    if error.context_mark is not None and error.context and error.context_mark.line + 1 != place.line:
        message += f" ({error.context} that begins in line {error.context_mark.line + 1})"
    return _finding("yaml.syntax", place, message, hint)


def _documents(text: str, file: str, findings: list[Finding]) -> Iterator[Node]:
    stack: list[_Open] = []
    root: Node | None = None
    nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.DocumentEndEvent):
            if root is not None:
                yield root
            root = None
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        place = _place(event.start_mark, file)
        nodes += 1
        if len(findings) > MAX_FINDINGS:
            raise _refuse(
                "yaml.too-many", place, f"more than {MAX_FINDINGS} problems: stopped here", "mend these first"
            )
        if nodes > MAX_NODES:
            raise _refuse("yaml.too-large", place, f"the file has more than {MAX_NODES} values", "split it")
        node = _node(event, place, findings)
        if not stack:
            root = node
        else:
            _attach(stack[-1], node, place, findings)
        if not isinstance(node, Scalar):
            if len(stack) >= MAX_DEPTH:
                raise _RefusedError(_too_deep(place))
            stack.append(_Open(node))


def _node(event: yaml.NodeEvent, place: Place, findings: list[Finding]) -> Node:
    if isinstance(event, yaml.AliasEvent):
        hint = "write the value out"
        raise _refuse("yaml.alias", place, f"the alias `*{event.anchor}` is not taken", hint)
    if event.anchor is not None:
        hint = "write values out where they are used"
        findings.append(_finding("yaml.alias", place, f"the anchor {show('&' + event.anchor)} is not taken", hint))
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        hint = "take it out; a value is typed by its key"
        findings.append(_finding("yaml.tag", place, f"the tag {show(event.tag)} is not taken", hint))
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, place, quoted=bool(event.style))
    return Keys(place) if isinstance(event, yaml.MappingStartEvent) else Items(place)


def _attach(parent: _Open, node: Node, place: Place, findings: list[Finding]) -> None:
    if isinstance(parent.node, Items):
        parent.node.items.append(node)
        return
    if parent.key is None:
        parent.key, parent.key_place, parent.dropped = _key(parent.node, node, place, findings)
        return
    if not parent.dropped and parent.key_place is not None:
        parent.node.entries[parent.key] = (parent.key_place, node)
    parent.key = None


def _key(mapping: Keys, node: Node, place: Place, findings: list[Finding]) -> tuple[str, Place, bool]:
    """The key's text and place, and whether what follows it must be forgotten."""
    if not isinstance(node, Scalar):
        findings.append(_finding("yaml.key", place, "a key must be a word, not a list or section", "quote it"))
        return "", place, True
    if node.text == "<<" and not node.quoted:
        findings.append(_finding("yaml.merge", place, "the merge key `<<` is not taken", "write the keys out"))
        return "<<", place, True
    if node.text in mapping.entries:
        first = mapping.entries[node.text][0].line
        message = f"the key {show(node.text)} is here twice (first in line {first})"
        findings.append(_finding("yaml.duplicate-key", place, message, "keep one of them"))
        return node.text, place, True
    return node.text, place, False
