"""Trees + shapes → values. Every fault becomes a finding and binding goes on, so one run tells all of them.

A broken value is replaced by its key's default (or left out of its list or mapping), and a misspelt key is read as the
one that was meant, where that can be one only: the draft that comes out serves further checks of the same run, and is
never used when there is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .nodes import Items, Keys, Node, Place, Scalar, show
from .scalars import amount, integer, number
from .shapes import (
    Anything,
    Field,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Section,
    SectionOf,
    Shape,
    Text,
    Truth,
    Words,
    section,
)
from .spelling import Path, Respelling, guess, renamed
from .vocabulary import Finding, Plain, Unit
from .wording import examples, expects, matches, nearest


class _Broken:
    """Stands for a value that could not be read."""


BROKEN: Final = _Broken()


class Binder:
    """One document being bound; `findings` grows, nothing is raised. `respellings` are the misspelt keys that were read
    as what was meant, outer sections first, and `misspelt` the findings that say so."""

    def __init__(self, root: type[Any]) -> None:
        self.root = root
        self.findings: list[Finding] = []
        self.respellings: list[Respelling] = []
        self.misspelt: list[Finding] = []

    def report(self, code: str, message: str, place: Place, path: Path, hint: str = "") -> _Broken:
        """Note a problem; the value it was about is broken."""
        finding = Finding(code, message, hint, path=path, file=place.file, line=place.line, column=place.column)
        self.findings.append(finding)
        return BROKEN

    def bind(self, node: Node, shape: Shape, path: Path) -> Any:
        """The value of a node, or BROKEN."""
        match shape:
            case SectionOf(cls):
                return self._section(node, section(cls), path)
            case MapOf(value):
                return self._mapping(node, value, path)
            case ListOf(item):
                return self._list(node, item, path)
            case Anything():
                return self._plain(node, path)
            case OneOf():
                return self._one_of(node, shape, path)
            case _:
                if isinstance(node, Scalar):
                    return self._scalar(node, shape, path)
                return self._wrong(node, shape, path)

    def _wrong(self, node: Node, shape: Shape, path: Path) -> _Broken:
        here = "a list" if isinstance(node, Items) else "a section" if isinstance(node, Keys) else ""
        if isinstance(node, Scalar):
            here = "nothing" if node.text == "" and not node.quoted else show(node.text)
        hint = "write a value, or take the key out" if here == "nothing" else examples(shape)
        if isinstance(shape, MapOf) and isinstance(node, Scalar) and node.text:
            hint = f"write {{NAME: {show(node.text).strip('`')}}}"
        typed = isinstance(shape, SectionOf) and "type" in section(shape.cls).fields
        if typed and isinstance(node, Scalar) and node.text:
            hint = f"write {{type: {show(node.text).strip('`')}}}"
        return self.report("value.type", f"{_name(path)} expects {expects(shape)}, not {here}", node.place, path, hint)

    # -- collections

    def _mapping(self, node: Node, shape: Shape, path: Path) -> Any:
        if not isinstance(node, Keys):
            return self._wrong(node, MapOf(shape), path)
        values = {}
        for name, (place, child) in node.entries.items():
            if not name:
                self.report("value.type", f"{_name(path)} has an empty name", place, path, "give it a name")
                continue
            value = self.bind(child, shape, (*path, name))
            if value is not BROKEN:
                values[name] = value
        return values

    def _list(self, node: Node, shape: Shape, path: Path) -> Any:
        if not isinstance(node, Items):
            return self._wrong(node, ListOf(shape), path)
        values = [self.bind(item, shape, (*path, position)) for position, item in enumerate(node.items)]
        return tuple(value for value in values if value is not BROKEN)

    def _plain(self, node: Node, path: Path) -> Any:
        if isinstance(node, Scalar):
            if node.text == "" and not node.quoted:
                return self._wrong(node, Anything(), path)
            # A plain scalar over several lines, or a lone `-` in a flow list, has no plain spelling of its own.
            return Plain(node.text, node.quoted or "\n" in node.text or node.text == "-")
        if isinstance(node, Items):
            items = [self._plain(item, (*path, position)) for position, item in enumerate(node.items)]
            return BROKEN if any(item is BROKEN for item in items) else Plain(items=tuple(items))
        return self._wrong(node, Anything(), path)

    def _one_of(self, node: Node, shape: OneOf, path: Path) -> Any:
        if isinstance(node, Keys | Items):
            wanted = (SectionOf, MapOf) if isinstance(node, Keys) else (ListOf, Anything)
            for option in shape.options:
                if isinstance(option, wanted):
                    return self.bind(node, option, path)
            return self._wrong(node, shape, path)
        if shape.nullable and (_is_off(node, shape) or (node.is_null and node.text)):
            return None
        scalars = [option for option in shape.options if not isinstance(option, SectionOf | MapOf | ListOf)]
        if len(scalars) == 1:
            return self.bind(node, scalars[0], path)
        for option in scalars:
            trial = Binder(self.root)
            value = trial.bind(node, option, path)
            if value is not BROKEN:
                return value
        return self._wrong_word(node, shape, path)

    # -- scalars

    def _scalar(self, node: Scalar, shape: Shape, path: Path) -> Any:
        match shape:
            case Text(rule):
                if node.is_null:
                    hint = "" if node.text == "" else f'for the text write "{node.text}"'
                    return self._wrong(node, shape, path) if not hint else self._null(node, path, hint)
                if rule is not None and not matches(rule, node.text):
                    message = f"{_name(path)} expects {rule.says}, not {show(node.text)}"
                    return self.report("value.text", message, node.place, path)
                return node.text
            case Truth():
                if not node.quoted and node.text in ("true", "false"):
                    return node.text == "true"
                return self._not_a_truth(node, path)
            case Number():
                return self._number(node, shape, path)
            case Words(values):
                for word, value in values:
                    if node.text == word and not (node.is_null and not word):
                        return value
                return self._wrong_word(node, shape, path)
        return self._wrong(node, shape, path)

    def _null(self, node: Scalar, path: Path, hint: str) -> _Broken:
        return self.report("value.type", f"{_name(path)} expects text, not null", node.place, path, hint)

    def _not_a_truth(self, node: Scalar, path: Path) -> _Broken:
        plain = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        word = plain.get(node.text.lower(), node.text.lower() if node.text.lower() in ("true", "false") else "")
        hint = f"write {word}" + (", without quotes" if node.quoted else "") if word else "write true or false"
        message = f"{_name(path)} expects true or false, not {show(node.text)}"
        return self.report("value.type", message, node.place, path, hint)

    def _number(self, node: Scalar, shape: Number, path: Path) -> Any:
        if node.is_null:
            return self._wrong(node, shape, path)
        if shape.unit is None and node.quoted:
            message = f"{_name(path)} expects a number, not the quoted text {show(node.text)}"
            return self.report("value.type", message, node.place, path, "take the quotes out")
        try:
            if shape.unit is not None:
                value: float = amount(node.text, shape.unit)
            else:
                value = integer(node.text) if shape.whole else number(node.text)
        except ValueError as error:
            hint = ""
            if node.text in ("off", "none", "None") and shape.unit is not None:
                hint = "this one cannot be switched off"
            elif shape.unit is Unit.SHARE and not node.text.endswith("%"):
                hint = examples(shape)
            return self.report("value.type", f"{_name(path)} {error}, not {show(node.text)}", node.place, path, hint)
        low, high = shape.bounds.minimum, shape.bounds.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            wanted = f"from {low:g}" if high is None else f"up to {high:g}" if low is None else f"{low:g} to {high:g}"
            message = f"{_name(path)} expects {expects(shape)} {wanted}, not {show(node.text)}"
            return self.report("value.range", message, node.place, path)
        return value

    def _wrong_word(self, node: Scalar, shape: Shape, path: Path) -> _Broken:
        options = shape.options if isinstance(shape, OneOf) else (shape,)
        words = [word for option in options if isinstance(option, Words) for word, _ in option.values]
        if node.text == "" and not node.quoted:
            return self._wrong(node, shape, path)
        guess = nearest(node.text, words)
        hint = f"did you mean {show(guess)}?" if guess else ""
        message = f"{_name(path)} expects {expects(shape)}, not {show(node.text)}"
        return self.report("value.choice" if words else "value.type", message, node.place, path, hint)

    # -- sections

    def _section(self, node: Node, found: Section, path: Path) -> Any:
        if not isinstance(node, Keys):
            return self._wrong(node, SectionOf(found.cls), path)
        before = len(self.findings) - len(self.misspelt)
        values: dict[str, Any] = {}
        whole = True
        node, meant = self._spelt(node, found, path)
        for field in found.fields.values():
            value = self._field(node, field, path, excused=field.name in meant)
            if value is BROKEN:
                whole = False
            else:
                values[field.attribute] = value
        if found.variants is not None:
            values[found.variant_attribute] = self._variant(node, found, path)
        if not whole:
            return BROKEN
        clean = len(self.findings) - len(self.misspelt) == before
        return self._make(found.cls, values, node.place, path, clean=clean)

    def _spelt(self, node: Keys, found: Section, path: Path) -> tuple[Keys, set[str]]:
        """The section with its misspelt keys under the names that were meant, as far as those are sure; and the keys
        that a misspelt one stands for: they are not reported a second time as missing."""
        meant: set[str] = set()
        seen: set[str] = set()
        first = found.tag.name if found.variants is not None else ""  # the tag says which keys the others may be
        for tag_only in (True, False) if first and first not in node.entries else (False,):
            further, owners = self._variant_fields(node, found)
            fields = {**further, **found.fields}
            for name, (place, value) in list(node.entries.items()):
                if name in fields or name in seen or (name in owners and tag_only):
                    continue
                if name in owners:
                    self._of_another(name, place, found, owners, path, node)
                    continue
                told = guess(name, found, owners, self.root, node.entries)
                if tag_only and told.word != first:
                    continue
                seen.add(name)
                self.report("key.unknown", f"{_name(path)} has no key {show(name)}", place, (*path, name), told.hint)
                meant.add(told.word)
                if told.only and told.word not in node.entries and self._fits(value, fields.get(told.word), path):
                    node = renamed(node, {name: told.word})
                    self.respellings.append(Respelling(path, name, told.word))
                    self.misspelt.append(self.findings[-1])
        return node, meant

    def _fits(self, node: Node, field: Field | None, path: Path) -> bool:
        """Whether a value is of the kind that a key takes; what is inside a section or list is told when it is read."""
        if field is None:
            return False
        options = field.shape.options if isinstance(field.shape, OneOf) else (field.shape,)
        if isinstance(node, Keys):
            return any(isinstance(option, SectionOf | MapOf) for option in options)
        if isinstance(node, Items):
            return any(isinstance(option, ListOf | Anything) for option in options)
        trial = Binder(self.root)
        return trial.bind(node, field.shape, path) is not BROKEN and not trial.findings

    def _field(self, node: Keys, field: Field, path: Path, *, excused: bool = False) -> Any:
        """The value of one key; its default where it is absent or broken.

        Where there is no default, a text stands in for itself in the draft, a section for what it is when empty, and
        anything else is BROKEN. `excused` says that a misspelt key has been reported in place of this one.
        """
        entry = node.entries.get(field.name)
        value: Any = BROKEN
        if entry is not None:
            value = self.bind(entry[1], field.shape, (*path, field.name))
        elif field.make_default is None and not excused:
            self.report("key.missing", f"{_name(path)} needs the key `{field.name}`", node.place, path, field.doc)
        if value is BROKEN and field.make_default is not None:
            return field.make_default()
        if value is BROKEN and isinstance(field.shape, Text):
            return entry[1].text if entry is not None and isinstance(entry[1], Scalar) else ""
        if value is BROKEN and isinstance(field.shape, SectionOf):
            return Binder(self.root).bind(Keys(node.place), field.shape, path)  # what it says has been told
        return value

    def _make(self, cls: type[Any], values: dict[str, Any], place: Place, path: Path, *, clean: bool) -> Any:
        try:
            made = cls(**values)
        except ValueError as error:  # a dataclass that checks itself
            return self.report("value.section", f"{_name(path)}: {error}", place, path)
        problems: Callable[[], Iterable[Finding]] | None = getattr(made, "problems", None)
        if clean and problems is not None:
            for finding in problems():
                self.findings.append(dataclasses.replace(finding, path=(*path, *finding.path)))
        return made

    def _variant_fields(self, node: Keys, found: Section) -> tuple[Mapping[str, Field], Mapping[str, list[str]]]:
        """The keys the selected variant takes (all variants' keys where none is selected), and every key's owners."""
        if found.variants is None:
            return {}, {}
        classes = found.variants.classes()
        owners: dict[str, list[str]] = {}
        every: dict[str, Field] = {}
        for word, cls in classes.items():
            for name, field in section(cls).fields.items() if cls is not None else ():
                if name not in found.fields:
                    owners.setdefault(name, []).append(word)
                    every[name] = field
        tag = node.get(found.tag.name)
        cls = classes.get(tag.text) if isinstance(tag, Scalar) else None
        return (every if cls is None else section(cls).fields), owners

    def _variant(self, node: Keys, found: Section, path: Path) -> Any:
        assert found.variants is not None
        tag = node.get(found.tag.name)
        if not isinstance(tag, Scalar):
            return None
        classes = found.variants.classes()
        cls = classes.get(tag.text)
        if cls is None:
            if tag.text not in classes and isinstance(found.tag.shape, Text):  # Words has said so already
                words = Words(tuple((word, word) for word in classes))
                self._wrong_word(tag, words, (*path, found.tag.name))
            return None
        values: dict[str, Any] = {}
        for field in section(cls).fields.values():
            value = self._field(node, field, path)
            if value is BROKEN:
                return None
            values[field.attribute] = value
        made = self._make(cls, values, node.place, path, clean=True)
        return None if made is BROKEN else made

    def _of_another(
        self, name: str, place: Place, found: Section, owners: Mapping[str, list[str]], path: Path, node: Keys
    ) -> None:
        """Report a key that belongs to other variants than the one selected."""
        tag = node.get(found.tag.name)
        word = tag.text if isinstance(tag, Scalar) else ""
        message = f"`{found.tag.name}: {word}` has no key {show(name)}"
        hint = f"it is a key of {found.tag.name} {', '.join(owners[name])}"
        self.report("key.unknown", message, place, (*path, name), hint)


def _name(path: Path) -> str:
    if not path:
        return "the document"
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return show(text, 80)


def _is_off(node: Scalar, shape: OneOf) -> bool:
    return node.text == "off" and any(isinstance(option, Number) for option in shape.options)
