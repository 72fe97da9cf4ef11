"""Values ⇄ canonical JSON: every default filled in, one spelling for one value, and exactly the value back.

The order of a mapping is kept, since it can be meaning (the order of features); keys of sections come in the order of
their dataclass. Numbers are in base units. A `Plain` is `[text]`, `[text, true]` when quoted, or `{"items": […]}`.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from .shapes import Anything, ListOf, MapOf, Number, OneOf, SectionOf, Shape, Text, Truth, Words, section
from .vocabulary import Plain

T = TypeVar("T")


def dumps(value: Any) -> bytes:
    """The canonical JSON of a section."""
    plain = _from_section(value, type(value))
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def loads(data: bytes, cls: type[T]) -> T:
    """The section back. ValueError for anything that `dumps` does not write."""
    try:
        value: T = _to_section(json.loads(data), cls)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the canonical form of {cls.__name__}: {error!r}") from None
    return value


def _from(value: Any, shape: Shape) -> Any:
    if value is None:
        return None
    match shape:
        case SectionOf(cls):
            return _from_section(value, cls)
        case MapOf(inner):
            return {name: _from(item, inner) for name, item in value.items()}
        case ListOf(inner):
            return [_from(item, inner) for item in value]
        case Anything():
            return _from_plain(value)
        case OneOf():
            return _from(value, shape_of(value, shape))
        case Words(words):
            return next(word for word, meaning in words if meaning == value)
        case Number(whole=False):
            return float(value)
    return value


def _from_section(value: Any, cls: type[Any]) -> dict[str, Any]:
    found = section(cls)
    plain = {name: _from(getattr(value, field.attribute), field.shape) for name, field in found.fields.items()}
    variant = getattr(value, found.variant_attribute) if found.variants is not None else None
    if variant is not None:  # apart from the section's own keys, which may bear the same names
        plain[found.variant_attribute] = _from_section(variant, type(variant))
    return plain


def _from_plain(value: Plain) -> Any:
    if value.items is not None:
        return {"items": [_from_plain(item) for item in value.items]}
    return [value.text, True] if value.quoted else [value.text]


def _fits(value: Any, shape: Shape) -> bool:
    """Whether a value can be of this shape."""
    match shape:
        case SectionOf(cls):
            return isinstance(value, cls)
        case MapOf():
            return isinstance(value, dict)
        case ListOf():
            return isinstance(value, tuple)
        case Anything():
            return isinstance(value, Plain)
        case Truth():
            return isinstance(value, bool)
        case Words(words):
            return any(meaning == value and type(meaning) is type(value) for _, meaning in words)
        case Number(whole):
            return isinstance(value, int if whole else float) and not isinstance(value, bool)
        case Text():
            return isinstance(value, str)
        case OneOf(options):
            return any(_fits(value, option) for option in options)


def shape_of(value: Any, shape: OneOf) -> Shape:
    """The option of a union that a value belongs to."""
    return next(option for option in shape.options if _fits(value, option))


def _to(plain: Any, shape: Shape) -> Any:
    match shape:
        case SectionOf(cls):
            return _to_section(plain, cls)
        case MapOf(inner):
            return {str(name): _to(item, inner) for name, item in _expect(plain, dict).items()}
        case ListOf(inner):
            return tuple(_to(item, inner) for item in _expect(plain, list))
        case Anything():
            return _to_plain(plain)
        case OneOf():
            return _to_one_of(plain, shape)
        case Words(words):
            return dict(words)[_expect(plain, str)]
        case Truth():
            return _expect(plain, bool)
        case Number(whole=True):
            if isinstance(plain, bool):
                raise TypeError("a truth value is no number")
            return _expect(plain, int)
        case Number():
            return _expect(plain, float)
        case Text():
            return _expect(plain, str)


def _to_one_of(plain: Any, shape: OneOf) -> Any:
    if plain is None and shape.nullable:
        return None
    for option in shape.options:
        try:
            return _to(plain, option)
        except (KeyError, TypeError, AttributeError):
            continue
    raise TypeError("a value of no known form")


def _to_section(plain: Any, cls: type[Any]) -> Any:
    found = section(cls)
    rest = dict(_expect(plain, dict))
    values = {field.attribute: _to(rest.pop(name), field.shape) for name, field in found.fields.items()}
    if found.variants is not None and found.variant_attribute in rest:
        variant = found.variants.classes()[values[found.variants.tag]]
        if variant is None:
            raise TypeError(f"nothing reads {values[found.variants.tag]!r}")
        values[found.variant_attribute] = _to_section(rest.pop(found.variant_attribute), variant)
    if rest:
        raise TypeError(f"unknown keys {sorted(rest)}")
    return cls(**values)


def _to_plain(plain: Any) -> Plain:
    if isinstance(plain, dict):
        return Plain(items=tuple(_to_plain(item) for item in _expect(plain["items"], list)))
    text, *quoted = _expect(plain, list)
    return Plain(_expect(text, str), quoted == [True])


def _expect(value: Any, cls: type[Any]) -> Any:
    if not isinstance(value, cls):
        raise TypeError(f"expected {cls.__name__}")
    return value
