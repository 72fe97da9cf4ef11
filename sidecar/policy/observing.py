"""The sections that observers read: slices, lineage, shadow, watch, feedback, capture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, TypeAlias

from ..yamldoc import Bounds, ByteSize, Finding, Matches, Seconds, Share, key
from .urls import Url

Name: TypeAlias = Annotated[
    str, Matches("[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "a name of letters, digits, `-`, `_` and `.` (at most 100)")
]
Day: TypeAlias = Annotated[str, Matches("[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day like 2027-03-01")]
Count: TypeAlias = Annotated[int, Bounds(1)]
Positive: TypeAlias = Annotated[float, Bounds(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A group of rows that reports show on its own."""

    name: Name = key(doc="The slice's name in reports.")
    where: str | None = key(None, doc="The rows for which this expression holds.")
    by: str | None = key(None, doc="One slice per value of this feature.")

    def problems(self) -> Iterator[Finding]:
        """Exactly one way to choose rows."""
        if (self.where is None) == (self.by is None):
            hint = "`where: EXPRESSION`, or `by: FEATURE`"
            yield Finding("slice.choice", f"the slice {self.name} needs `where` or `by`, and not both", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where the model came from: facts for readers and reports."""

    code: str | None = key(None, doc="The training code, like git:risk/train@b71e0d3.")
    training_data: str | None = key(None, doc="The data it was trained on.")
    feature_code: str | None = key(None, doc="The code that makes the features.")
    baseline: str | None = key(None, doc="File with the counts of the training data, for drift.")
    review_by: Day | None = key(None, doc="The day by which somebody must look at this policy again.")

    def problems(self) -> Iterator[Finding]:
        """A day that is in the calendar."""
        if self.review_by is not None:
            try:
                date.fromisoformat(self.review_by)
            except ValueError:
                yield Finding("value.text", f"there is no day {self.review_by}", path=("review_by",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """How one output of the candidate is compared with the primary's."""

    kind: Name | None = key(
        None,
        doc="numeric, exact, vector, relative, total_variation or presence. Left out: a number is numeric, a list of "
        "numbers vector, all else exact.",
    )
    tolerance: Positive | None = key(None, doc="The largest difference that counts as agreement; left out: 0.000001.")
    scale: Annotated[float, Bounds(0)] | None = key(
        None, doc="What a difference of one is measured in; of relative: the smallest size a value counts as."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A limit the candidate must keep."""

    metric: Literal["disagreement", "error_rate", "latency_over", "loss"] = key(doc="What is limited.")
    margin: Share = key(doc="How much worse than the primary it may be.")
    budget: Seconds | None = key(None, doc="For latency_over: the time an answer may take.")
    kind: Name | None = key(None, doc="For loss: which one (log, squared, …).")

    def problems(self) -> Iterator[Finding]:
        """A budget where one is needed."""
        if self.metric == "latency_over" and self.budget is None:
            yield Finding("shadow.guardrail", "latency_over needs `budget`", "budget: 200ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount of evidence."""

    pairs: Count | None = key(None, doc="Pairs of answers.")
    age: Seconds | None = key(None, doc="Time since the first pair.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """How much is collected before and at most until a verdict."""

    at_least: Amount | None = key(None, doc="No verdict before this.")
    at_most: Amount | None = key(None, doc="A verdict by then, whatever it is.")
    horizon: Amount | None = key(None, doc="Short for at_most.")

    def problems(self) -> Iterator[Finding]:
        """One name for one thing."""
        if self.at_most is not None and self.horizon is not None and self.at_most != self.horizon:
            yield Finding("shadow.collect", "`at_most` and `horizon` disagree", "keep one", path=("horizon",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLimits:
    """What the candidate may cost."""

    in_flight: Count = key(32, doc="Calls to the candidate at one time.")
    queue_bytes: ByteSize = key(
        64 * 2**20, doc="Bytes of copies held for the candidate; all together hold 64 MiB or the largest of these."
    )
    timeout: Seconds = key(1.0, doc="The candidate's time for one answer.")
    per_day: Count | None = key(None, doc="Calls a day, paced over the day, of all replicas together.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowHeaders:
    """Headers that the candidate does not get."""

    drop: tuple[str, ...] = key(("authorization", "cookie"), doc="Header names.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A candidate that gets copies of the requests and whose answers nobody sees."""

    candidate: Name = key(doc="The candidate's name in reports.")
    upstream: Url = key(doc="Where the candidate is served.")
    sample: Share = key(1.0, doc="The share of units that is copied; sticky, and the same in every replica.")
    unit: str = key("request", doc="request, row, or a key feature: one independent observation.")
    compare: dict[str, str | Compare] = key(
        default_factory=dict, doc="Output → how it is compared: a kind, or its keys. Left out: every output."
    )
    guardrails: tuple[Guardrail, ...] = key((), doc="Limits the candidate must keep.")
    alpha: Share = key(0.05, doc="The chance of passing a bad candidate that is accepted.")
    min_coverage: Share = key(0.9, doc="The share of sampled units for which the candidate must have answered.")
    collect: Collect = key(default_factory=Collect, doc="How much evidence is collected.")
    limits: ShadowLimits = key(default_factory=ShadowLimits, doc="What the candidate may cost.")
    repeat_primary: Share | None = key(
        None,
        doc="The share of copies for which the primary is asked again and compared with itself: for random models.",
    )
    headers: ShadowHeaders = key(default_factory=ShadowHeaders, doc="Headers that the candidate does not get.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """When a feature's distribution counts as moved: far enough, and not by chance."""

    metric: Literal["psi", "js", "ks", "chi2", "linf", "wasserstein"] = key("psi", doc="The statistic.")
    alert_above: Positive = key(0.2, doc="Magnitude from which it counts.")
    alpha: Share = key(0.01, doc="False alarms accepted, over all features together.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLimit:
    """A limit on what the predictions may do to the world."""

    name: Name = key(doc="The limit's name in alerts.")
    where: str = key(doc="The rows that are acted upon: an expression over features and predictions.")
    max_share: Share = key(doc="The largest share of a window.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """Mean prediction against mean label."""

    max_gap: Share = key(doc="The largest difference.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched over windows of rows."""

    window: Seconds = key(3600.0, doc="Length of a window.")
    min_rows: Count = key(500, doc="Windows with fewer rows are not judged.")
    drift: Drift | None = key(None, doc="Distribution of the features against the baseline.")
    frozen_after: Seconds | None = key(None, doc="Alert when a feature has had one value for this long.")
    null_rate: Share | None = key(None, doc="Alert above this share of nulls.")
    unseen_category_rate: Share | None = key(None, doc="Alert above this share of values outside `values`.")
    actions: tuple[ActionLimit, ...] = key((), doc="Limits on what the predictions may do.")
    bias: Bias | None = key(None, doc="Mean prediction against mean label.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The late truth, and how it finds its prediction."""

    name: Name = key(doc="What the label is called.")
    of: str = key(doc="The prediction it is the truth of.")
    key_: str | None = key(None, name="key", doc="The key feature that labels come with.")
    type: Literal["bool", "int", "float", "string", "category"] = key("float", doc="The label's type.")
    mature_after: Seconds | None = key(None, doc="A label is final after this time.")
    decide_by: Seconds | None = key(None, doc="A missing label is given up after this time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """All requests of one time span share one flip."""

    block: Seconds = key(doc="Length of the span.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """The secret coin that makes loops measurable."""

    share: Share = key(doc="The share of units whose prediction is withheld.")
    unit: Literal["record", "entity"] | Block = key("entity", doc="What is flipped for: record, entity, {block: 1h}.")
    deliver: Literal["fallback", "mark"] = key("fallback", doc="What a held-out caller gets.")
    approved_by: str | None = key(None, doc="Who agreed to it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturb:
    """Small known noise on a delivered prediction."""

    field: str = key(doc="The prediction.")
    sigma: Positive = key(doc="Standard deviation of the noise.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """Which feedback loops are looked for."""

    channels: tuple[Literal["echo", "feature", "outcome", "sampling", "label_selection", "text"], ...] = key(
        ("echo", "feature", "outcome", "sampling", "label_selection"), doc="The ways back that are tested."
    )
    alpha: Share = key(0.05, doc="False alarms accepted, over all channels together.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Labels, and whether predictions come back."""

    label: Label | None = key(None, doc="The late truth.")
    entity: str | None = key(None, doc="The feature naming whose past predictions may come back.")
    holdout: Holdout | None = key(None, doc="The coin that makes loops measurable.")
    perturb: Perturb | None = key(None, doc="Known noise on a delivered prediction.")
    loops: Loops | None = key(None, doc="Which feedback loops are looked for.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Which rows reach archive and forward, and what is hidden in them."""

    sample: Share = key(1.0, doc="The share of rows; labelled, held-out, shadowed, rejected, repaired rows always.")
    hide: dict[str, Literal["hash", "drop"]] = key(default_factory=dict, doc="Feature → hash or drop.")
    content: Literal["lengths", "full"] = key("lengths", doc="Of free text: lengths and hashes, or all of it.")
