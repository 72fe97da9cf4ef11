"""The lean HTTP/1.1 leg to a model server: one protocol per connection, one pool per upstream, nothing sent twice.

In: request bytes and a `Consumer`. Out: the answer's head, body and end as calls, or one `UpstreamFault`.
Never: a retry, an invented header, a redirect followed, a proxy read from the environment.
"""

from __future__ import annotations

from .address import Address, parse_address
from .answer import AnswerHead, AnswerReader
from .leg import Consumer, Leg
from .pool import Pool, PoolLimits

__all__ = ["Address", "AnswerHead", "AnswerReader", "Consumer", "Leg", "Pool", "PoolLimits", "parse_address"]
