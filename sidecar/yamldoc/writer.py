"""Values → YAML that reads back as exactly these values: what `check --print-effective` shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .canonical import shape_of
from .scalars import spell
from .shapes import Anything, ListOf, MapOf, Number, OneOf, SectionOf, Shape, Truth, Words, section
from .vocabulary import Plain

# Text that any YAML reader takes as this text; everything else is written in double quotes.
_SAFE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*", re.ASCII)
_TYPED: Final = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null)")


def write(value: Any) -> str:
    """A section as block-style YAML, defaults included; keys that are unset and unset by default are left out."""
    return "\n".join(_section_lines(value, type(value))) + "\n"


def _section_lines(value: Any, cls: type[Any]) -> Iterator[str]:
    found = section(cls)
    variant = getattr(value, found.variant_attribute) if found.variants is not None else None
    own = [(name, field, value) for name, field in found.fields.items()]
    further = section(type(variant)).fields.items() if variant is not None else ()
    for name, field, holder in own + [(name, field, variant) for name, field in further if name not in found.fields]:
        item = getattr(holder, field.attribute)
        unset = field.make_default is not None and field.make_default() == item
        if unset and (item is None or item in ("", (), {})):
            continue
        yield from _key_lines(name, item, field.shape)


def _key_lines(name: str, value: Any, shape: Shape) -> Iterator[str]:
    inline, block = _render(value, shape)
    yield f"{quote(name)}:{' ' + inline if inline else ''}"
    yield from (f"  {line}" for line in block)


def _render(value: Any, shape: Shape) -> tuple[str, list[str]]:
    """What stands on the key's own line, or the lines below it."""
    if value is None:
        amount = isinstance(shape, OneOf) and any(isinstance(option, Number) for option in shape.options)
        return ("off" if amount else "null"), []
    match shape:
        case OneOf():
            return _render(value, shape_of(value, shape))
        case SectionOf(cls):
            lines = list(_section_lines(value, cls))
            return ("", lines) if lines else ("{}", [])
        case MapOf(inner):
            lines = [line for name, item in value.items() for line in _key_lines(name, item, inner)]
            return ("", lines) if lines else ("{}", [])
        case ListOf(inner):
            return _list([_render(item, inner) for item in value])
        case Anything():
            return _plain(value)
        case Truth():
            return ("true" if value else "false"), []
        case Number():
            return spell(value, shape.unit), []
        case Words(words):
            return quote(next(word for word, meaning in words if meaning == value)), []
    return quote(value), []


def _list(items: list[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    if not items:
        return "[]", []
    lines: list[str] = []
    for inline, block in items:
        first, *rest = [inline] if inline else block
        lines.append(f"- {first}")
        lines.extend(f"  {line}" for line in rest)
    return "", lines


def _plain(value: Plain) -> tuple[str, list[str]]:
    if value.items is not None:
        return _list([_plain(item) for item in value.items])
    # Unquoted text was one plain scalar; in block style it may be one again.
    return (_quoted(value.text) if value.quoted else value.text), []


def quote(text: str) -> str:
    """One text as a scalar or key: bare where any YAML reader takes it as this text, else in double quotes."""
    return text if _SAFE.fullmatch(text) and not _TYPED.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    # JSON's escapes are YAML's; what JSON leaves bare (U+007F, U+0085, U+FEFF, …) is escaped as well.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in quoted)


def _escape(sign: str) -> str:
    point = ord(sign)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
