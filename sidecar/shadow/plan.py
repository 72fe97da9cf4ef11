"""The `shadow:` section of a resolved policy, read from its plain values: what is copied to whom, and how compared."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from .comparisons import make
from .sampling import REQUEST

REPEAT_SUFFIX: Final = ":repeat"  # no candidate's name has a colon


class Output(msgspec.Struct, frozen=True):
    """How one output is compared. `kind` None = told by the primary's value."""

    kind: str | None = None
    tolerance: float | None = None
    scale: float | None = None


class Limits(msgspec.Struct, frozen=True):
    """What the candidate may cost."""

    in_flight: int = 32
    queue_bytes: int = 64 * 2**20
    timeout: float = 1.0  # seconds
    per_day: int | None = None


class Headers(msgspec.Struct, frozen=True):
    """Headers that the candidate does not get."""

    drop: tuple[str, ...] = ("authorization", "cookie")


class CandidatePlan(msgspec.Struct, frozen=True):
    """One entry of `shadow:`; keys that belong to the verdict are not read here."""

    candidate: str
    upstream: str
    sample: float = 1.0
    unit: str = REQUEST
    compare: dict[str, str | Output] = {}
    limits: Limits = Limits()
    headers: Headers = Headers()
    min_coverage: float = 0.9
    repeat_primary: float | None = None

    def repeated(self) -> CandidatePlan | None:
        """The primary in the candidate's place, asked once more for a share of what is sampled; None = it is not.

        The same leg, limits and comparison, so that what two answers of one model differ by can be told from what a
        candidate differs by. `upstream` "" = where the exchange itself went.
        """
        share = self.repeat_primary
        if not share:
            return None
        per_day = self.limits.per_day
        limits = (
            self.limits
            if per_day is None
            else msgspec.structs.replace(self.limits, per_day=max(1, round(per_day * share)))
        )
        return msgspec.structs.replace(
            self,
            candidate=self.candidate + REPEAT_SUFFIX,
            upstream="",
            limits=limits,
            repeat_primary=None,
            sample=self.sample * share,
        )

    def outputs(self) -> dict[str, Output]:
        """Output → how it is compared; empty = every output, each by its value."""
        return {name: Output(kind=how) if isinstance(how, str) else how for name, how in sorted(self.compare.items())}

    @property
    def run(self) -> str:
        """The name of the comparison's settings: when one of them changes, a new run begins from nothing."""
        settings = [self.upstream, self.unit, self.sample, msgspec.to_builtins(self.outputs())]
        return blake2b(msgspec.json.encode(settings, order="sorted"), digest_size=6).hexdigest()


def read_plans(document: Mapping[str, Any]) -> tuple[CandidatePlan, ...]:
    """The candidates of a resolved policy. ValueError with a sentence when one cannot be compared."""
    try:
        plans = msgspec.convert(document.get("shadow") or (), tuple[CandidatePlan, ...], strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"shadow: {error}") from None
    for plan in plans:
        check_outputs(plan.outputs())
    return plans


def check_outputs(outputs: Mapping[str, Output]) -> None:
    """ValueError with a sentence for the policy's author when an output cannot be compared like this."""
    for name, how in outputs.items():
        try:
            make(how.kind or "numeric", how.tolerance, how.scale)
        except ValueError as error:
            raise ValueError(f"compare.{name}: {error}") from None
