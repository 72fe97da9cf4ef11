"""Results as text, JSON and JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..junit import HEAD, attribute, content
from ..yamldoc import Finding
from .compare import Failure
from .coverage import Coverage
from .document import SuiteText
from .run import Result


@dataclass(frozen=True, slots=True)
class FileReport:
    """One test file. `findings` say why it could not be run, if it could not; `seconds` is what each case took."""

    file: str
    text: SuiteText | None = None
    policy: str = ""
    results: tuple[Result, ...] = ()
    seconds: tuple[float, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def failed(self) -> int:
        """How many cases are not as expected."""
        return sum(not result.passed for result in self.results)

    def place(self, failure: Failure) -> tuple[int, int]:
        """Line and column of an expectation, or of the case where the case does not state the key."""
        return self.text.place(*failure.path) if self.text is not None else (0, 0)

    def place_of(self, result: Result) -> tuple[int, int]:
        """Line and column of a case."""
        return self.text.place(*result.path, "name") if self.text is not None else (0, 0)


@dataclass(frozen=True, slots=True)
class Covered:
    """The coverage of one policy, over all files that test it."""

    policy: str
    file: str
    coverage: Coverage


def as_text(files: Sequence[FileReport], covered: Sequence[Covered], *, everything: bool) -> str:
    """One line a case, a difference a block, then what no test exercised."""
    return "\n".join(_lines(files, covered, everything=everything)) + "\n"


def _lines(files: Sequence[FileReport], covered: Sequence[Covered], *, everything: bool) -> Iterator[str]:
    for report in files:
        yield f"{report.file}{f' ({report.policy})' if report.policy else ''}"
        for finding in report.findings:
            yield f"  {finding.place}: {finding.severity}[{finding.code}]: {finding.message}"
            if finding.hint:
                yield f"      hint: {finding.hint}"
        for result in report.results:
            yield f"  {'ok  ' if result.passed else 'FAIL'}  {result.name}"
            if result.error:
                yield f"        {_at(report.file, *report.place_of(result))}: {result.error}"
            for failure in result.failures:
                yield f"        {_at(report.file, *report.place(failure))}: {failure.what}"
                yield f"          expected  {failure.expected}"
                yield f"          actual    {failure.actual}{f'   ({failure.hint})' if failure.hint else ''}"
        yield ""
    for policy in covered:
        number, among = policy.coverage.counts(everything=everything)
        what = "checks (implied ones too)" if everything else "checks"
        yield f"coverage of {policy.policy}: {number} of {among} {what}, rules and actions"
        width = max((len(item.code) for item in policy.coverage.uncovered(everything=everything)), default=0)
        for item in policy.coverage.uncovered(everything=everything):
            yield f"  {item.kind:<7}  {item.code:<{width}}  {item.missing}"
        implied = len(policy.coverage.uncovered(everything=True)) - len(policy.coverage.uncovered())
        if implied and not everything:
            yield f"  and {implied} implied checks (type, required, null, finite) that no test breaks or holds"
    cases = sum(len(report.results) for report in files)
    failed = sum(report.failed for report in files)
    invalid = sum(bool(report.findings) and not report.results for report in files)
    ending = f", {invalid} file{'' if invalid == 1 else 's'} not run" if invalid else ""
    yield f"{cases - failed} of {cases} passed{ending}"


def _at(file: str, line: int, column: int) -> str:
    return f"{file}:{line}:{column}" if line else file


def as_json(files: Sequence[FileReport], covered: Sequence[Covered], *, everything: bool) -> str:
    """What another program reads; keys are stable."""
    document = {
        "passed": sum(len(report.results) - report.failed for report in files),
        "failed": sum(report.failed for report in files),
        "files": [
            {
                "file": report.file,
                "policy": report.policy,
                "findings": [_finding(finding) for finding in report.findings],
                "tests": [_result(report, result) for result in report.results],
            }
            for report in files
        ],
        "coverage": [
            {
                "policy": policy.policy,
                "file": policy.file,
                "covered": policy.coverage.counts(everything=everything)[0],
                "of": policy.coverage.counts(everything=everything)[1],
                "items": [
                    {"kind": item.kind, "code": item.code, "held": item.held, "broken": item.broken}
                    | {"covered": item.covered, "missing": item.missing}
                    for item in policy.coverage.items
                ],
            }
            for policy in covered
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    keys = ("file", "line", "column", "code", "severity", "message", "hint")
    return {key: getattr(finding, key) for key in keys}


def _result(report: FileReport, result: Result) -> dict[str, Any]:
    line, column = report.place_of(result)
    return {
        "name": result.name,
        "line": line,
        "column": column,
        "passed": result.passed,
        "error": result.error,
        "failures": [
            {"what": failure.what, "expected": failure.expected, "actual": failure.actual, "hint": failure.hint}
            | dict(zip(("line", "column"), report.place(failure), strict=True))
            for failure in result.failures
        ],
    }


def as_junit(files: Sequence[FileReport]) -> str:
    """JUnit's XML as CI systems read it: a suite for each file, `failure` for a difference, `error` for no run."""
    total = sum(max(len(report.results), int(bool(report.findings))) for report in files)
    failed = sum(sum(bool(result.failures) for result in report.results) for report in files)
    wrong = sum(_errors(report) for report in files)
    lines = [HEAD]
    lines.append(f'<testsuites name="sidecar test" tests="{total}" failures="{failed}" errors="{wrong}">')
    for report in files:
        lines += _suite(report)
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _errors(report: FileReport) -> int:
    unread = bool(report.findings) and not report.results
    return unread + sum(bool(result.error) for result in report.results)


def _suite(report: FileReport) -> Iterator[str]:
    failed = sum(bool(result.failures) for result in report.results)
    tests = max(len(report.results), int(bool(report.findings)))
    yield (
        f'  <testsuite name={attribute(report.file)} tests="{tests}" failures="{failed}" '
        f'errors="{_errors(report)}" time="{sum(report.seconds):.6f}">'
    )
    if report.findings and not report.results:
        text = "\n".join(f"{one.place}: {one.message}" for one in report.findings)
        yield f'    <testcase classname={attribute(report.policy or report.file)} name="the file can be run">'
        yield f'      <error message="the file cannot be run">{content(text)}</error>'
        yield "    </testcase>"
    for result, seconds in zip(report.results, report.seconds, strict=True):
        line, _ = report.place_of(result)
        head = (
            f"    <testcase classname={attribute(report.policy)} name={attribute(result.name)} "
            f'file={attribute(report.file)} line="{line}" time="{seconds:.6f}"'
        )
        if result.passed:
            yield f"{head}/>"
            continue
        yield f"{head}>"
        if result.error:
            yield f"      <error message={attribute(result.error)}/>"
        else:
            text = "\n".join(
                f"{_at(report.file, *report.place(one))}: {one.what}: expected {one.expected}, actual {one.actual}"
                + (f" ({one.hint})" if one.hint else "")
                for one in result.failures
            )
            summary = (
                f"{result.failures[0].what}: expected {result.failures[0].expected}, actual {result.failures[0].actual}"
            )
            yield f"      <failure message={attribute(summary)}>{content(text)}</failure>"
        yield "    </testcase>"
    yield "  </testsuite>"
