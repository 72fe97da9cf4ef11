"""The contract: what rows may hold, and what is done when they do not. Pure; compiled once, evaluated per request.

In: `Rows`, a caller's name, the wall time in seconds. Out: a `Verdict`. Never: bytes, HTTP, I/O, a clock, an exception
for bad data.

`compile_contract(section) → (Compiled | None, findings)`; `Compiled` has
  features: Mapping[str, str]                     name → `from:` ("" = the protocol's place), in policy order
  predictions: tuple[str, ...]
  closed: bool                                    unknown names must be seen by the exact path (reject | strip | warn)
  request_types() -> Mapping[str, TypedFeature] | None    None: this contract cannot be proven by types alone
  reply_types() -> Mapping[str, TypedFeature] | None      {} where predictions are not checked
  mode(caller) -> Mode
  judge_request(rows, *, caller, now_seconds) -> Verdict
  judge_reply(rows, *, sent_rows, caller, now_seconds) -> Verdict
  stripped_headers: tuple[str, ...]               header-sourced slice_only features
  fallback_values: Mapping[str, Value] | None     prediction → value, None where the policy has no fallback
  fallback_on: frozenset[str]                     contract | timeout | upstream_error
  on_guard_error: "pass" | "reject"               where enforcing; an observing contract always passes
  errors: Disclosure                              what callers may see
  may_enforce: bool                               whether any caller's verdicts are applied
"""

from __future__ import annotations

from .compile import compile_contract
from .compiled import Compiled
from .sections import ContractSection, Mode, PolicyContract

__all__ = ["Compiled", "ContractSection", "Mode", "PolicyContract", "compile_contract"]
