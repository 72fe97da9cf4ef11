"""Sections made for these tests: one of every shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from sidecar.yamldoc import Bounds, ByteSize, Finding, Matches, Plain, Seconds, Share, key, keys_of


class Colour(StrEnum):
    RED = "red"
    OFF = "off"


@dataclass(frozen=True)
class Replace:
    replace: Plain = key(doc="A value.")


@dataclass(frozen=True)
class Square:
    side: int = key(doc="Length of a side.")


@dataclass(frozen=True)
class Circle:
    radius: float = key(1.0, doc="Radius.")
    label: str = key("", doc="Shared with the section that holds it.")


def shapes() -> Mapping[str, type[Any] | None]:
    return {"square": Square, "circle": Circle, "blob": None}


@dataclass(frozen=True)
class Drawing:
    kind: str = key(doc="The kind of shape.")
    label: str | None = key(None, doc="A label.")
    shape: Square | Circle | None = keys_of("kind", shapes, doc="The shape with its own keys.")


@dataclass(frozen=True)
class Window:
    low: int = key(0, doc="Low.")
    high: int = key(9, doc="High.")

    def problems(self) -> Iterator[Finding]:
        if self.low > self.high:
            yield Finding("window.order", "low is above high", path=("low",))


@dataclass(frozen=True, kw_only=True)
class Everything:
    """One of every shape."""

    name: Annotated[str, Matches("[a-z]+", "lower-case letters")] = key(doc="A name.")
    title: str = key("", doc="Text.")
    flag: bool = key(False, doc="A truth.")
    count: Annotated[int, Bounds(1, 100)] = key(1, doc="A bounded number.")
    ratio: float = key(0.5, doc="A number.")
    limit: float | None = key(None, doc="A number or off.")
    wait: Seconds = key(1.0, doc="A duration.")
    idle: Seconds | None = key(30.0, doc="A duration or off.")
    size: ByteSize = key(1024, doc="A size.")
    share: Share = key(0.05, doc="A share.")
    colour: Colour = key(Colour.RED, doc="An enum.")
    action: Literal["clamp", "reject"] | Replace = key("reject", doc="Words or a section.")
    plain: Plain | None = key(None, doc="Typed later.")
    version: str | tuple[str, ...] = key((), doc="One or many.")
    tags: tuple[str, ...] = key((), doc="A list.")
    windows: dict[str, Window] = key(default_factory=dict, doc="Sections by name.")
    drawings: tuple[Drawing, ...] = key((), doc="Sections that depend on a word.")
    from_: str = key("", name="from", doc="A reserved word.")
