"""The other Python proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .. import environments
from .base import Launch, Place


class Mitmproxy:
    """mitmproxy (`mitmdump`), reverse mode, an add-on with pydantic: the same checks, no record."""

    kind: ClassVar[str] = "mitmproxy"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch:
        return Launch(
            (
                str(environments.python("mitmproxy").with_name("mitmdump")),
                *("--mode", f"reverse:http://127.0.0.1:{place.upstream_port}", "--quiet"),
                *("--listen-host", "127.0.0.1", "--listen-port", str(place.port)),
                *("--set", f"confdir={place.folder}", "--set", "flow_detail=0"),
                *("--scripts", str(environments.ROOT / "bench" / "peers" / "mitmproxy_addon.py")),
            ),
            env={"PYTHONPATH": str(environments.ROOT)},
        )

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = Mitmproxy
