"""Ourselves, as users start us."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar, Final

from .. import environments
from ..exposition import scrape
from .base import Launch, Place

COUNTERS: Final = {
    "sidecar_journal_records_total": "records written",
    "sidecar_journal_dropped_records_total": "records dropped",
    "sidecar_journal_stalls_total": "writes above 100 ms",
    "sidecar_guard_errors_total": "checks that failed themselves",
}


HOT_BUILD: Final = environments.ROOT / "build" / "hot"


def program(*, compiled: bool = True) -> tuple[str, ...]:
    """`sidecar`, of the build or of the sources."""
    root = HOT_BUILD if compiled and (HOT_BUILD / "sidecar").is_dir() else environments.ROOT
    return ("env", "PYTHONSAFEPATH=1", f"PYTHONPATH={root}", sys.executable, "-m", "sidecar")


def command(place: Place, extra_policy: str = "", *, compiled: bool = True, observers: bool = False) -> tuple[str, ...]:
    """`sidecar serve` with the benchmark's policy; `extra_policy` is YAML of further sections.

    `compiled` takes the build that `make build` makes, as the image has it; without one the sources serve.
    """
    policy = (environments.ROOT / "bench" / "policy.yaml").read_text() + extra_policy
    data = place.folder / "data"
    data.mkdir()
    return (
        *program(compiled=compiled),
        *("serve", "--workers", "1"),
        *("--policy", str(place.write("policy.yaml", policy)), "--data", str(data)),
        *("--upstream", f"http://127.0.0.1:{place.upstream_port}", "--listen", f"127.0.0.1:{place.port}"),
        *("--health", f"127.0.0.1:{place.spare_ports[0]}", "--pre-stop", "0s"),
        *("--admin", "off", "--observers", "on" if observers else "off"),  # `bench sustained` has both halves
    )


def account(place: Place) -> dict[str, int]:
    """Records beside answers: P8 says that there are at least as many."""
    counted = scrape(place.spare_ports[0])
    return {words: int(counted.get(name, 0)) for name, words in COUNTERS.items()}


class Sidecar:
    """the sidecar as installed: 20 features and the score checked, a record before each answer, stamped headers."""

    kind: ClassVar[str] = "sidecar"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = {"x-contract-verdict": "ok", "x-model-version": "1"}

    def launch(self, place: Place) -> Launch:
        return Launch(command(place))

    def account(self, place: Place) -> Mapping[str, int]:
        return account(place)


MEMBER = Sidecar
