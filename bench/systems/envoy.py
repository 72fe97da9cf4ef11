"""Envoy, nothing but a proxy: the reference of every ratio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from .. import environments
from .. import envoy as configuration
from .base import Launch, Place

FLAGS = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")


def command(path: Path) -> tuple[str, ...]:
    return (environments.envoy(), "-c", str(path), *FLAGS)


class Envoy:
    """Envoy, plain proxy: `--concurrency 1`, no log."""

    kind: ClassVar[str] = "envoy"
    guarded: ClassVar[bool] = False
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch:
        document = configuration.bootstrap(place.port, {"model": place.upstream_port}, {})
        return Launch(command(place.write("envoy.json", document)))

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = Envoy
