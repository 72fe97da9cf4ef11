"""No proxy at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Launch, Place


class Direct:
    """The upstream itself: what generator and upstream, sharing one core, can do at most."""

    kind: ClassVar[str] = "direct"
    guarded: ClassVar[bool] = False
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch | None:
        return None

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = Direct
