"""The words a section's dataclass is written in: units, plain values, findings, documented keys, bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias


class Unit(Enum):
    """How a scalar with a unit is spelled; the parsed value is in the base unit."""

    DURATION = "duration"  # 250ms, 30s, 5m, 48h, 30d, `off` → None where the field allows None; seconds
    SIZE = "size"  # 1GiB, 64MiB, 500kB, 1024; bytes
    SHARE = "share"  # 5%, 0.05; a fraction


Seconds: TypeAlias = Annotated[float, Unit.DURATION]
ByteSize: TypeAlias = Annotated[int, Unit.SIZE]
Share: TypeAlias = Annotated[float, Unit.SHARE]


@dataclass(frozen=True, slots=True)
class Bounds:
    """`Annotated[int, Bounds(1)]`: the smallest and largest number a field takes."""

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Matches:
    """`Annotated[str, Matches("[a-z]+", "lower-case letters")]`: the whole text matches; `says` is for people."""

    pattern: str
    says: str


@dataclass(frozen=True, slots=True)
class Suggests:
    """`Annotated[str, Suggests(("int",), "int\\[.*")]`: what editors offer and take. The reader itself takes any text,
    so that its user can say more about a wrong one than that it is wrong."""

    words: tuple[str, ...]
    pattern: str = ""  # further texts, matched whole


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar or list whose meaning depends on another key: the text as written, typed later by its reader.

    `text` is the source text of a scalar; `quoted` says it was quoted; `items` is set for a list instead.
    """

    text: str = ""
    quoted: bool = False
    items: tuple[Plain, ...] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a document. `path` leads to the node; file, line and column (1-based) are filled by the reader."""

    code: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        """file:line:column, as far as it is known."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Variants:
    """Further keys beside the section's own, those of the dataclass that another key of the section selects.

    `tag` is the attribute holding the selecting word; `classes()` maps each word to its dataclass, or to None for a
    word that is known but has no reader: then any key of any variant may stand there and the field's default is used.
    """

    tag: str
    classes: Callable[[], Mapping[str, type[Any] | None]]


def key(
    default: Any = dataclasses.MISSING,
    *,
    doc: str,
    name: str = "",
    also: str = "",
    default_factory: Any = dataclasses.MISSING,
) -> Any:
    """A field of a section: its sentence in docs and schema, and its YAML spelling when Python reserves the word.

    `also`: what other languages call it, separated by spaces. No spelling of this key, but a hint for who writes it.
    """
    metadata = {"doc": doc, "name": name, "also": also}
    if default_factory is not dataclasses.MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    if default is dataclasses.MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_of(tag: str, classes: Callable[[], Mapping[str, type[Any] | None]], *, doc: str) -> Any:
    """A field that is no key itself: it holds the variant whose keys stand beside the section's own (`Variants`)."""
    return field(default=None, metadata={"doc": doc, "name": "", "variants": Variants(tag, classes)})
