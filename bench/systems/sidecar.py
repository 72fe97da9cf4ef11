"""Ourselves, as users start us."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from .. import environments
from .base import Launch, Place


def command(place: Place, extra_policy: str = "") -> tuple[str, ...]:
    """`sidecar serve` with the benchmark's policy; `extra_policy` is YAML of further sections."""
    policy = (environments.ROOT / "bench" / "policy.yaml").read_text() + extra_policy
    data = place.folder / "data"
    data.mkdir()
    return (
        *(sys.executable, "-m", "sidecar", "serve", "--workers", "1"),
        *("--policy", str(place.write("policy.yaml", policy)), "--data", str(data)),
        *("--upstream", f"http://127.0.0.1:{place.upstream_port}", "--listen", f"127.0.0.1:{place.port}"),
        *("--health", f"127.0.0.1:{place.spare_ports[0]}"),
    )


class Sidecar:
    """the sidecar: 20 features and the score checked, every call in the journal before its answer, stamped headers."""

    kind: ClassVar[str] = "sidecar"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = {"x-contract-verdict": "ok", "x-model-version": "1"}

    def launch(self, place: Place) -> Launch:
        return Launch(command(place))


MEMBER = Sidecar
