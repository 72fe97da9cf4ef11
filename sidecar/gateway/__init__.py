"""The hot shell: bytes from a caller in, one decision, one record, bytes out.

    data_received → limits → guard(input) → UPSTREAM → guard(output) → journal → respond

`turns` keeps a connection's calls in order, `connection` parses them, `routing` says what answers them, `call` relays
one exchange, `judged` decides about one, `forward` writes heads that go on, `respond` is the one place where errors
become HTTP, `record` what is told of it, `standing` whom the models' news stop, `gateway` the floor.
Never: a thread on the common path, a task per request, a second send of anything, a status chosen outside `respond`.
"""

from __future__ import annotations

from .gateway import Gateway
from .settings import GatewaySettings, UpstreamTimeouts
from .standing import ModelState

__all__ = ["Gateway", "GatewaySettings", "ModelState", "UpstreamTimeouts"]
