"""Policies by digest: from the journal's own frames, from DATA/policies, compiled when a record first asks for one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from .. import policy as room
from ..errors import PolicyError
from ..exchange import PolicyPublished
from ..guard import Guard
from ..journal import Read
from ..policy import Policy
from .compile import compile_guard
from .publish import policy_path

MOST_POLICIES: Final = 256
_DIGEST_CHARACTERS: Final = frozenset("0123456789abcdef:")


class PolicyBook:
    """An `observers.base.Book`. What is not known yet is looked for again each time it is asked for."""

    def __init__(self, data: Path, *, log: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._data = data
        self._log = log
        self._canonical: OrderedDict[str, bytes] = OrderedDict()
        self._policies: dict[str, Policy | None] = {}  # None: cannot be used, and that has been said
        self._guards: dict[str, Guard | None] = {}
        self._documents: dict[str, Mapping[str, Any]] = {}

    def learn(self, read: Read) -> None:
        """Remember the policy in a POLICY frame."""
        record = read.record
        if isinstance(record, PolicyPublished) and read.payloads and record.digest not in self._canonical:
            self._keep(record.digest, bytes(read.payloads[0]))

    def copy(self) -> PolicyBook:
        """With what this one knows, for another thread."""
        other = PolicyBook(self._data, log=lambda event, fields: None)
        other._canonical.update(self._canonical)
        return other

    def guard(self, digest: str) -> Guard | None:
        """The compiled policy, as the gateway has it."""
        if digest in self._guards:
            return self._guards[digest]
        policy = self.policy(digest)
        if policy is None:
            return None
        try:
            guard: Guard | None = compile_guard(policy)
        except ValueError as error:
            self._log("policy.unusable", {"digest": digest, "reason": str(error)})
            guard = None
        self._guards[digest] = guard
        return guard

    def policy(self, digest: str) -> Policy | None:
        """The resolved policy as the policy room's own value."""
        if digest in self._policies:
            return self._policies[digest]
        canonical = self._read(digest)
        if canonical is None:
            return None
        try:
            policy: Policy | None = room.from_canonical(canonical)
        except PolicyError as error:
            self._log("policy.unusable", {"digest": digest, "reason": str(error)})
            policy = None
        self._policies[digest] = policy
        return policy

    def document(self, digest: str) -> Mapping[str, Any] | None:
        """The resolved policy as plain values."""
        if digest not in self._documents:
            canonical = self._read(digest)
            if canonical is None:
                return None
            try:
                self._documents[digest] = msgspec.json.decode(canonical, type=dict[str, Any])
            except msgspec.DecodeError:
                return None
        return self._documents[digest]

    def _read(self, digest: str) -> bytes | None:
        found = self._canonical.get(digest)
        if found is None:
            if not digest.startswith("b2:") or not _DIGEST_CHARACTERS.issuperset(digest):
                return None
            try:
                found = policy_path(self._data, digest).read_bytes()
            except OSError:
                return None
            self._keep(digest, found)
        return found

    def _keep(self, digest: str, canonical: bytes) -> None:
        self._canonical[digest] = canonical
        while len(self._canonical) > MOST_POLICIES:
            old, _ = self._canonical.popitem(last=False)
            for known in (self._policies, self._guards, self._documents):
                known.pop(old, None)
