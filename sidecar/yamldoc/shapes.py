"""Annotations → shapes: what may stand at a place of a document. Made once per dataclass, read by everything else here.

A section is a dataclass; its annotations may use bool, int, float, str, the units, Literal words, StrEnum, Plain,
`tuple[X, ...]` (a list), `dict[str, X]`, other dataclasses, `X | None`, unions of scalars with one section, and
`Annotated` with Bounds or Matches.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from .vocabulary import Bounds, Matches, Plain, Suggests, Unit, Variants

ANY: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Text:
    """Any scalar, as written."""

    matches: Matches | None = None
    suggests: Suggests | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `whole` for int; `unit` says how it is spelled."""

    whole: bool
    unit: Unit | None = None
    bounds: Bounds = ANY


@dataclass(frozen=True, slots=True)
class Words:
    """One of these words; `values` are what they become (the word itself, or an enum's member)."""

    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Anything:
    """A scalar or a list of them, kept as written (`Plain`)."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; becomes a tuple."""

    item: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with names of the author's own; becomes a dict in the order written."""

    value: Shape


@dataclass(frozen=True, slots=True)
class SectionOf:
    """A section; its fields are looked up late, so that sections may be recursive."""

    cls: type[Any]


@dataclass(frozen=True, slots=True)
class OneOf:
    """Several shapes, told apart by what stands there; `nullable` allows null (and `off`, where a number may stand)."""

    options: tuple[Shape, ...]
    nullable: bool = False


Shape: TypeAlias = Text | Truth | Number | Words | Anything | ListOf | MapOf | SectionOf | OneOf


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section. `make_default` is None for a key that must be there."""

    attribute: str
    name: str
    doc: str
    shape: Shape
    make_default: Callable[[], Any] | None
    also: frozenset[str] = frozenset()  # other languages' words for it, folded


@dataclass(frozen=True, slots=True)
class Section:
    """A dataclass as a section: its keys by YAML name, and the field that takes the selected variant's keys, if any."""

    cls: type[Any]
    fields: Mapping[str, Field]
    variants: Variants | None = None
    variant_attribute: str = ""

    @property
    def tag(self) -> Field:
        """The key whose word selects the variant."""
        assert self.variants is not None
        return next(field for field in self.fields.values() if field.attribute == self.variants.tag)


_SECTIONS: Final[dict[type[Any], Section]] = {}


def section(cls: type[Any]) -> Section:
    """The section of a dataclass. TypeError when an annotation is none of ours: a mistake in this package."""
    if cls not in _SECTIONS:
        _SECTIONS[cls] = _make_section(cls)
    return _SECTIONS[cls]


def _make_section(cls: type[Any]) -> Section:
    hints = get_type_hints(cls, include_extras=True)
    fields: dict[str, Field] = {}
    variants: Variants | None = None
    variant_attribute = ""
    for item in dataclasses.fields(cls):
        if "variants" in item.metadata:
            variants, variant_attribute = item.metadata["variants"], item.name
            continue
        if not item.init:
            continue
        name = item.metadata.get("name") or item.name
        try:
            found = shape(hints[item.name])
        except TypeError as error:
            raise TypeError(f"{cls.__qualname__}.{item.name}: {error}") from None
        also = frozenset(item.metadata.get("also", "").split())
        fields[name] = Field(item.name, name, item.metadata.get("doc", ""), found, _default(item), also)
    return Section(cls, types.MappingProxyType(fields), variants, variant_attribute)


def _default(item: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory
    if item.default is not dataclasses.MISSING:
        value = item.default
        return lambda: value
    return None


def shape(annotation: Any) -> Shape:
    """The shape of one annotation. TypeError for what a document cannot say."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *extras = get_args(annotation)
        return _annotated(shape(base), extras)
    if origin in (Union, types.UnionType):
        return _union(get_args(annotation))
    if origin is Literal:
        return Words(tuple((str(word), word) for word in get_args(annotation)))
    if origin is tuple:
        arguments = get_args(annotation)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return ListOf(shape(arguments[0]))
    if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
        name, value = get_args(annotation)
        if name is str:
            return MapOf(shape(value))
    if isinstance(annotation, type) and origin is None:
        return _of_class(annotation)
    raise TypeError(f"{annotation!r} cannot stand in a document")


def _of_class(cls: type[Any]) -> Shape:
    if cls is Plain:
        return Anything()
    if issubclass(cls, StrEnum):
        return Words(tuple((member.value, member) for member in cls))
    if dataclasses.is_dataclass(cls):
        return SectionOf(cls)
    simple: dict[type[Any], Shape] = {bool: Truth(), int: Number(True), float: Number(False), str: Text()}
    if cls in simple:
        return simple[cls]
    raise TypeError(f"{cls!r} cannot stand in a document")


def _annotated(base: Shape, extras: list[Any]) -> Shape:
    for extra in extras:
        if isinstance(extra, Unit) and isinstance(base, Number):
            base = dataclasses.replace(base, unit=extra)
        elif isinstance(extra, Bounds) and isinstance(base, Number):
            base = dataclasses.replace(base, bounds=extra)
        elif isinstance(extra, Matches) and isinstance(base, Text):
            base = dataclasses.replace(base, matches=extra)
        elif isinstance(extra, Suggests) and isinstance(base, Text):
            base = dataclasses.replace(base, suggests=extra)
    return base


# Unions try the strict scalar first: `int | float | str` reads `5` as 5 and `five` as text.
_ORDER = (Truth, Words, Number, Text, Anything, ListOf, MapOf, SectionOf, OneOf)


def _union(arguments: tuple[Any, ...]) -> Shape:
    nullable = type(None) in arguments
    options: list[Shape] = []
    for argument in arguments:
        if argument is type(None):
            continue
        found = shape(argument)
        if isinstance(found, OneOf):
            nullable = nullable or found.nullable
            options.extend(found.options)
        else:
            options.append(found)
    options.sort(key=lambda option: (_ORDER.index(type(option)), isinstance(option, Number) and not option.whole))
    if sum(isinstance(option, SectionOf | MapOf) for option in options) > 1:
        raise TypeError("two sections in one union cannot be told apart; use keys_of(…)")
    return OneOf(tuple(options), nullable)
