"""What the shadow observer keeps between restarts: sums by run, budgets, and the copies whose outcome is open."""

from __future__ import annotations

from typing import Final

import msgspec

from ..errors import JournalError
from ..exchange import Shadow
from .agreement import Sums
from .budget import Budget
from .plan import CandidatePlan, Output

_VERSION: Final = 1
_KEPT_OLD_RUNS: Final = 8


class Run(msgspec.Struct, kw_only=True):
    """One candidate of one policy under one set of comparison settings.

    `fold` is called once for every record; evidence is to be kept here beside `sums` and folded from the same record,
    whose `scores` hold each unit's own.
    """

    policy: str
    candidate: str
    run: str
    upstream: str = ""
    unit: str = ""
    sample: float = 1.0
    min_coverage: float = 0.9
    outputs: dict[str, Output] = {}
    began_unix_ns: int = 0
    sums: Sums = msgspec.field(default_factory=Sums)

    def fold(self, record: Shadow) -> None:
        """Take one record in."""
        self.sums.add(record)


class Open(msgspec.Struct, frozen=True):
    """A copy that was queued or sent and whose outcome is not recorded."""

    prediction_id: str
    request_id: str
    policy: str
    policy_digest: str
    candidate: str
    run: str
    units: tuple[str, ...] = ()


class State(msgspec.Struct, kw_only=True):
    """The whole of it. `sequence` numbers the commits: later files of what was sent belong to no commit yet."""

    version: int = _VERSION
    sequence: int = 0
    runs: dict[str, Run] = {}
    budgets: dict[str, Budget] = {}
    open: tuple[Open, ...] = ()
    unrecorded: int = 0  # outcomes that the journal could not take
    unknown_policy: int = 0  # exchanges whose policy nobody could find

    def begin(self, policy: str, plan: CandidatePlan, now_unix_ns: int) -> Run:
        """The run of a candidate, begun when it is not known; the oldest of many replaced ones goes."""
        key = run_key(policy, plan.candidate, plan.run)
        found = self.runs.get(key)
        if found is None or not found.upstream:
            found = found or Run(policy=policy, candidate=plan.candidate, run=plan.run, began_unix_ns=now_unix_ns)
            found.upstream, found.unit, found.sample = plan.upstream, plan.unit, plan.sample
            found.min_coverage, found.outputs = plan.min_coverage, plan.outputs()
            self.runs[key] = found
            older = [key for key, run in self.runs.items() if (run.policy, run.candidate) == (policy, plan.candidate)]
            for old in older[:-_KEPT_OLD_RUNS]:
                del self.runs[old]
        return found

    def of_record(self, record: Shadow) -> Run:
        """The run that a record belongs to, also when its policy was never seen here."""
        key = run_key(record.policy, record.candidate, record.run)
        found = self.runs.get(key)
        if found is None:
            found = self.runs[key] = Run(
                policy=record.policy, candidate=record.candidate, run=record.run, began_unix_ns=record.at_unix_ns
            )
        return found


def run_key(policy: str, candidate: str, run: str) -> str:
    """Where a run is kept."""
    return f"{policy}/{candidate}/{run}"


def encode_state(state: State) -> bytes:
    """For a state file."""
    return msgspec.msgpack.encode(state)


def decode_state(data: bytes) -> State:
    """The inverse; an empty state for b"". JournalError for what `encode_state` did not write."""
    if not data:
        return State()
    try:
        state = msgspec.msgpack.decode(data, type=State)
    except msgspec.MsgspecError as error:
        raise JournalError(f"not a state of the shadow observer: {error}") from None
    if state.version != _VERSION:
        raise JournalError(f"a state of the shadow observer of version {state.version}; this one reads {_VERSION}")
    return state
