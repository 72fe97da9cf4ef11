"""The policy and the platform: what their owners write, as frozen values.

In: paths. Out: `Loaded`: resolved policies, the resolved platform, findings with places. Workers and readers of the
journal never see a file: they load the canonical form (`from_canonical`), which is what the digest is of.
Never: half a set of policies, a key that is silently without effect, an exception for what a file says.
"""

from __future__ import annotations

from .digest import digest, from_canonical, platform_from_canonical, platform_to_canonical, short, to_canonical
from .load import Loaded, load
from .model import Model
from .platform import Platform, Timeouts, Upstream
from .schema import schema
from .sections import Policy

__all__ = [
    "Loaded",
    "Model",
    "Platform",
    "Policy",
    "Timeouts",
    "Upstream",
    "digest",
    "from_canonical",
    "load",
    "platform_from_canonical",
    "platform_to_canonical",
    "schema",
    "short",
    "to_canonical",
]
