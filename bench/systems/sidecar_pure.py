"""Ourselves from the sources alone: what a machine without a C compiler gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Launch, Place
from .sidecar import Sidecar, account, command


class SidecarPure:
    """the sidecar without mypyc: the same sources, interpreted."""

    kind: ClassVar[str] = "sidecar-pure"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = Sidecar.stamped

    def launch(self, place: Place) -> Launch:
        return Launch(command(place, compiled=False))

    def account(self, place: Place) -> Mapping[str, int]:
        return account(place)


MEMBER = SidecarPure
