"""Text → documents → values, and the way back from a path in a value to its line and column."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .bind import BROKEN, Binder
from .nodes import Items, Keys, Node, Place, Scalar, read
from .shapes import SectionOf
from .spelling import respelt
from .vocabulary import Finding

T = TypeVar("T")


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """One document as read.

    `value` is None when any finding is an error. `draft` is the same value with defaults in place of what is broken
    (None when not even that can be made): for further checks in the same run, never for use.
    """

    file: str
    draft: T | None
    findings: tuple[Finding, ...]
    root: Node | None = None

    @property
    def value(self) -> T | None:
        """What the document says, if it is without errors."""
        return None if any(finding.severity == "error" for finding in self.findings) else self.draft

    def locate(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Line and column of what stands at `path`, or of the nearest section around it; (0, 0) without a document."""
        place = self._place(path)
        return place.line, place.column

    def place(self, finding: Finding) -> Finding:
        """A finding with its file, line and column filled in from its path."""
        if finding.line:
            return finding
        place = self._place(finding.path)
        return dataclasses.replace(finding, file=place.file, line=place.line, column=place.column)

    def states(self, path: Sequence[str | int]) -> bool:
        """Whether the document itself has something at this path."""
        return _walk(self.root, path)[1]

    def _place(self, path: Sequence[str | int]) -> Place:
        return Place(self.file) if self.root is None else _walk(self.root, path)[0]


def _walk(root: Node | None, path: Sequence[str | int]) -> tuple[Place, bool]:
    """Where a path leads, and whether it leads there wholly. A section is located at its key, a scalar at itself."""
    if root is None:
        return Place(""), False
    place, node = root.place, root
    for step in path:
        if isinstance(node, Keys) and step in node.entries:
            place, node = node.entries[str(step)]
        elif isinstance(node, Items) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            return place, False
    return (node.place if isinstance(node, Scalar) and node.place.line else place), True


def bind(root: Node, cls: type[T]) -> Parsed[T]:
    """One document, already read, as a value of `cls`."""
    binder = Binder(cls)
    value = binder.bind(root, SectionOf(cls), ())
    draft: Any = None if value is BROKEN else value
    parsed: Parsed[T] = Parsed(root.place.file, draft, (), respelt(root, binder.respellings))
    return dataclasses.replace(parsed, findings=tuple(parsed.place(finding) for finding in binder.findings))


def spelt(root: Node, cls: type[Any]) -> tuple[Node, tuple[Finding, ...]]:
    """A document with its misspelt keys as they were meant, where that is sure, and the findings about them: to be read
    on as if they were right, and never used."""
    binder = Binder(cls)
    binder.bind(root, SectionOf(cls), ())
    return respelt(root, binder.respellings), tuple(binder.misspelt)


def parse_all(text: str | bytes, cls: type[T], *, file: str) -> list[Parsed[T]]:
    """Every document of a text (`---` between them). Faults of the text itself stand with the first one."""
    roots, faults = read(text, file)
    found = [bind(root, cls) for root in roots] or [Parsed[T](file, None, ())]
    found[0] = dataclasses.replace(found[0], findings=in_order((*faults, *found[0].findings)))
    return found


def parse(text: str | bytes, cls: type[T], *, file: str) -> Parsed[T]:
    """The one document of a text; more than one is a finding."""
    first, *others = parse_all(text, cls, file=file)
    if not others:
        return first
    place = others[0].root.place if others[0].root is not None else Place(file)
    extra = Finding(
        "yaml.documents",
        "a second document begins here",
        "keep one document in this file",
        "error",
        (),
        file,
        place.line,
        1,
    )
    return dataclasses.replace(first, findings=(*first.findings, extra))


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By line and column, each once, as a reader meets them in the file; files stay in their order."""
    files = {file: position for position, file in enumerate(dict.fromkeys(finding.file for finding in findings))}
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda finding: (files[finding.file], finding.line, finding.column))
    )
