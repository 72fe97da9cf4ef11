"""Ourselves, with every record on stable storage before its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .base import Launch, Place
from .sidecar import Sidecar, account, command


class SidecarFsync:
    """the sidecar with `durability: fsync`: answers leave in groups after the disk has them."""

    kind: ClassVar[str] = "sidecar-fsync"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = Sidecar.stamped

    def launch(self, place: Place) -> Launch:
        return Launch(command(place, "journal: {durability: fsync}\n"))

    def account(self, place: Place) -> Mapping[str, int]:
        return account(place)


MEMBER = SidecarFsync
