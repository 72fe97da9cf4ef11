"""Values of a policy in one line, as an author would write them, and the places at which two sections differ."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from ..yamldoc import Plain
from ..yamldoc.scalars import spell
from ..yamldoc.shapes import Number, OneOf
from ..yamldoc.shapes import section as section_of

_SAFE: Final = re.compile(r"[A-Za-z0-9_./@+:<>=%-]+(?: [A-Za-z0-9_./@+<>=%'()-]+)*", re.ASCII)


def line_of(section: Any, attribute: str) -> str:
    """One key's value as written; "" where it is not set."""
    value = getattr(section, attribute, None)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text_of(value)
    shape = next(field.shape for field in section_of(type(section)).fields.values() if field.attribute == attribute)
    options = shape.options if isinstance(shape, OneOf) else (shape,)
    return spell(value, next((option.unit for option in options if isinstance(option, Number)), None))


def text_of(value: Any) -> str:
    """A value in one line of YAML; keys that say what holds anyway are left out."""
    match value:
        case Plain(items=None):
            return json.dumps(value.text, ensure_ascii=False) if value.quoted else value.text
        case Plain(items=items):
            return f"[{', '.join(map(text_of, items or ()))}]"
        case Enum():
            return str(value.value)
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(text_of, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{name}: {text_of(item)}' for name, item in value.items())}}}"
        case str():
            return value if not value or _SAFE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
        case None:
            return ""
    if dataclasses.is_dataclass(value):
        stated = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        parts = [f"{key_of(field)}: {line_of(value, field.name)}" for field, item in stated if not _unset(field, item)]
        return f"{{{', '.join(parts)}}}"
    return str(value)


def _unset(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(value == field.default)
    return field.default_factory is not dataclasses.MISSING and bool(value == field.default_factory())


def key_of(field: dataclasses.Field[Any]) -> str:
    """A key as YAML spells it."""
    return str(field.metadata.get("name") or field.name)


def key_named(cls: type[Any], attribute: str) -> str:
    """As `key_of`, by attribute."""
    return next((key_of(field) for field in dataclasses.fields(cls) if field.name == attribute), attribute)


def leaves(old: Any, new: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """(path, old, new) of each place at which two values differ, as deep as both have it."""
    if old == new:
        return
    if dataclasses.is_dataclass(old) and type(old) is type(new) and not isinstance(old, Plain):
        for field in dataclasses.fields(old):
            one, other = getattr(old, field.name), getattr(new, field.name)
            if one != other:
                name = f"{path}.{key_of(field)}"
                if _deeper(one, other):
                    yield from leaves(one, other, name)
                else:
                    yield name, line_of(old, field.name), line_of(new, field.name)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            yield from leaves(old.get(name), new.get(name), f"{path}.{name}")
    elif _named(old) and _named(new):
        before, after = _by_name(old), _by_name(new)
        for name in {**before, **after}:
            yield from leaves(before.get(name), after.get(name), f"{path}.{name}")
        if before.keys() == after.keys() and list(before) != list(after):
            yield path, text_of(tuple(before)), text_of(tuple(after))
    else:
        yield path, text_of(old), text_of(new)


_NAMES: Final = ("id", "name", "candidate")


def _by_name(items: tuple[Any, ...]) -> dict[str, Any]:
    return {str(next(getattr(item, name) for name in _NAMES if hasattr(item, name))): item for item in items}


def _named(value: Any) -> bool:
    """Whether it is a list of sections that each have a name of their own."""
    if not isinstance(value, tuple) or not all(any(hasattr(item, name) for name in _NAMES) for item in value):
        return False
    return len(_by_name(value)) == len(value)


def _deeper(old: Any, new: Any) -> bool:
    sections = dataclasses.is_dataclass(old) and type(old) is type(new) and not isinstance(old, Plain)
    return sections or (isinstance(old, Mapping) and isinstance(new, Mapping)) or (_named(old) and _named(new))
