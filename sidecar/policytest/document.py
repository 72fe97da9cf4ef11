"""The *.test.yaml language: a policy, a base row, and cases with what is expected of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from ..policy.kind import BEGINS, Kind, kind_of, mixed_up
from ..timestamps import seconds_of
from ..yamldoc import Bounds, Finding, Keys, Parsed, Plain, Seconds, bind, key, read
from .values import series_of

# The moment of a test that names none: the same on every day.
DEFAULT_NOW: Final = "2026-01-01T00:00:00Z"

Word: TypeAlias = Literal["ok", "observed", "repaired", "fallback", "dropped", "unchecked", "rejected", "reject"]
Status: TypeAlias = Annotated[int, Bounds(100, 599)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowExpect:
    """What becomes of one row of a batch."""

    verdict: Word | None = key(None, doc="ok, observed, repaired, fallback, dropped or rejected.")
    codes: tuple[str, ...] | None = key(None, doc="All codes of this row, in any order.")
    sent: dict[str, Plain] | None = key(None, doc="Feature → value as the model gets it.")
    delivered: dict[str, Plain] | None = key(None, doc="Prediction → value as the caller gets it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What becomes of the request. What is not stated is not compared."""

    verdict: Word | None = key(
        None,
        doc="ok, observed, repaired, fallback, unchecked or rejected (also spelled reject), as in the record; dropped: "
        "a batch that goes on without some of its rows, which the record calls rejected.",
    )
    would: Word | None = key(None, doc="What enforcing would have done.")
    reason: str | None = key(None, doc="Why a body was not checked: malformed, ambiguous, shape, …")
    codes: tuple[str, ...] | None = key(None, doc="All codes of request and answer, in any order: age.min, rule.ID.")
    sent: dict[str, Plain] | None = key(
        None, doc="Feature → value as the model gets it; ~ is null, and a name under `without` is not sent."
    )
    without: tuple[str, ...] = key((), doc="Features that the model must not get.")
    delivered: dict[str, Plain] | None = key(None, doc="Prediction → value as the caller gets it.")
    prediction: dict[str, Plain] | None = key(None, doc="The same as `delivered`.")
    rows: tuple[Word | RowExpect, ...] | None = key(None, doc="One for each row: its verdict, or a section.")
    status: Status | None = key(None, doc="The HTTP status that the caller gets.")
    counts: dict[str, int] | None = key(None, doc="Verdict or code → number of rows; of a series or a batch.")
    alerts: tuple[str, ...] | None = key(
        None,
        doc="Of a series, all alerts of its features: NAME.frozen, NAME.null_rate, NAME.unseen_category_rate, "
        "NAME.repairs.",
    )

    def problems(self) -> Iterator[Finding]:
        """One name for one thing."""
        if self.delivered is not None and self.prediction is not None:
            yield Finding("test.expect", "`delivered` and `prediction` are the same: keep one", path=("prediction",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request, the model's answer to it, and what must become of both."""

    name: str = key(doc="One sentence: what is so.")
    row: dict[str, Plain] | None = key(None, doc="Laid over `base`; ~ is null.")
    rows: tuple[dict[str, Plain], ...] | None = key(None, doc="A batch; each row is laid over `base`.")
    without: tuple[str, ...] = key((), doc="Names that are left out of every row.")
    body: str | None = key(None, doc="The whole body as text, in place of rows.")
    prediction: dict[str, Plain] | None = key(None, doc="What the model answers for each row that it gets.")
    predictions: tuple[dict[str, Plain], ...] | None = key(
        None, doc="What it answers, one for each row that it gets: [{score: 0.1}, …]."
    )
    answer: str | None = key(None, doc="The model's whole answer as text, in place of predictions.")
    series: dict[str, Plain] | None = key(
        None, doc='Feature → its values over time, each in a request of its own: "52000x600", or [1, "2x50", ~].'
    )
    after: Seconds = key(0.0, doc="From the first row of a series to the last, evenly spread.")
    caller: str | None = key(None, doc="Who asks.")
    now: str | None = key(None, doc="When, as an RFC 3339 timestamp; of the first row of a series.")
    headers: dict[str, str] = key(default_factory=dict, doc="Request headers.")
    mode: Literal["enforce", "observe", "off", "policy"] = key(
        "enforce", doc="The mode judged in, so that verdicts show; `policy` is what the policy says for this caller."
    )
    expect: Expect = key(doc="What becomes of it.")

    def problems(self) -> Iterator[Finding]:
        """What the keys cannot say one by one."""
        asked = [name for name in ("row", "rows", "body", "series") if getattr(self, name) is not None]
        if len(asked) > 1:
            yield Finding("test.case", f"`{asked[0]}` and `{asked[1]}` exclude each other", path=(asked[1],))
        told = [name for name in ("prediction", "predictions", "answer") if getattr(self, name) is not None]
        if len(told) > 1:
            yield Finding("test.case", f"`{told[0]}` and `{told[1]}` exclude each other", path=(told[1],))
        yield from _moment(self.now)
        if self.rows is not None and not self.rows:
            yield Finding("test.case", "`rows` has no row", path=("rows",))
        expect = self.expect
        if self.series is None:
            if expect.alerts is not None:
                hint = "alerts are about rows over time: give a `series`"
                yield Finding("test.expect", "only a series has alerts", hint, path=("expect", "alerts"))
            count = len(self.rows) if self.rows is not None else 1
            if expect.rows is not None and self.body is None and len(expect.rows) != count:
                message = f"`rows` expects {len(expect.rows)} rows and the case has {count}"
                yield Finding("test.expect", message, path=("expect", "rows"))
            return
        try:
            series_of(self.series)
        except ValueError as error:
            yield Finding("test.series", str(error), path=("series",))
        for name in ("verdict", "would", "reason", "sent", "delivered", "prediction", "rows", "status"):
            if getattr(expect, name) is not None:
                hint = "a series has `counts` (by verdict or code), `codes` and `alerts`"
                yield Finding("test.expect", f"a series has no one `{name}`", hint, path=("expect", name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One file: the policy under test, and its cases."""

    contract: str | None = key(None, doc="The policy's file, relative to this one; FILE#NAME where it has several.")
    policy: str | None = key(None, doc="The same as `contract`.")
    base: dict[str, Plain] = key(default_factory=dict, doc="A good row: every case starts from it.")
    prediction: dict[str, Plain] | None = key(
        None, doc="What the model answers where a case does not say. Left out: answers are not judged."
    )
    caller: str = key("", doc="Who asks, where a case does not say.")
    now: str = key(DEFAULT_NOW, doc="When, where a case does not say: an RFC 3339 timestamp.")
    headers: dict[str, str] = key(default_factory=dict, doc="Request headers of every case.")
    tests: tuple[Case, ...] = key(doc="The cases.")

    def problems(self) -> Iterator[Finding]:
        """What the keys cannot say one by one."""
        if (self.contract is None) == (self.policy is None):
            message = "the file names no policy" if self.policy is None else "`contract` and `policy` are the same"
            yield Finding("test.policy", message, "contract: FILE", path=() if self.policy is None else ("policy",))
        yield from _moment(self.now)
        if not self.tests:
            yield Finding(
                "test.empty", "there is no case", "tests: [{name: …, row: {…}, expect: {…}}]", path=("tests",)
            )
        seen: set[str] = set()
        for position, case in enumerate(self.tests):
            if case.name in seen:
                yield Finding("test.name", "two cases have this name", path=("tests", position, "name"))
            seen.add(case.name)

    @property
    def file(self) -> str:
        """The policy's file as written, without #NAME."""
        return (self.contract or self.policy or "").partition("#")[0]

    @property
    def policy_name(self) -> str:
        """The policy meant in a file with several; "" = the only one."""
        return (self.contract or self.policy or "").partition("#")[2]


def _moment(text: str | None) -> Iterator[Finding]:
    if text is not None and seconds_of(text) is None:
        hint = f"write {DEFAULT_NOW}"
        yield Finding("test.now", "`now` must be an RFC 3339 timestamp with a zone", hint, path=("now",))


@dataclass(frozen=True, slots=True)
class SuiteText:
    """A suite and where its parts stand."""

    suite: Suite
    parsed: Parsed[Suite]

    def place(self, *path: str | int) -> tuple[int, int]:
        """Line and column of what stands at `path`."""
        return self.parsed.locate(path)


def read_suite(data: bytes, file: str) -> tuple[SuiteText | None, tuple[Finding, ...]]:
    """The suite of a file, or every reason why it is none. Nothing is raised."""
    documents, faults = read(data, file, BEGINS[Kind.TEST])
    if not documents:
        return None, tuple(faults)
    root = documents[0]
    if isinstance(root, Keys) and (kind := kind_of(root, Kind.TEST)) is not Kind.TEST:
        return None, (*faults, mixed_up(root, kind, Kind.TEST))
    parsed = bind(root, Suite)
    findings: list[Any] = [*faults, *parsed.findings]
    for extra in documents[1:]:
        place = extra.place
        message, hint = "a second document begins here", "a test file has one"
        findings.append(Finding("yaml.documents", message, hint, "error", (), place.file, place.line, 1))
    value = parsed.value
    if value is None or any(finding.severity == "error" for finding in findings):
        return None, tuple(findings)
    return SuiteText(value, parsed), tuple(findings)
