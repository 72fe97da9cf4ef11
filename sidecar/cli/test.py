"""`sidecar test`: unit tests of policies, and which of their checks the tests exercise."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..policy.files import TEST_SUFFIXES
from ..policytest import Bench, SuiteText, read_suite, report, run_case
from ..policytest.report import Covered, FileReport
from ..runtime.compile import compile_guard
from ..yamldoc import Finding
from .one_policy import one_policy
from .output import add_output, put

DONE, FAILED, INVALID, UNCOVERED = 0, 1, 2, 3

EPILOG: Final = """examples:
  sidecar test policies/                         every *.test.yaml of a directory
  sidecar test credit.test.yaml --junit report.xml
  sidecar test policies/ --require-coverage      exit 3 unless each check was seen to hold and to break

a test file:
  contract: credit.yaml
  base: {age: 41, income: 52000, occupation: employed}
  tests:
    - {name: negative age is refused, row: {age: -3}, expect: {verdict: reject, codes: [age.min]}}
    - name: an unknown job becomes other
      row: {occupation: astronaut}
      expect: {verdict: repaired, sent: {occupation: other}}
    - {name: no age, without: [age], expect: {status: 422}}
    - {name: score above one falls back, prediction: {score: 1.7}, expect: {verdict: fallback}}
    - {name: income freezes, series: {income: "52000x600"}, after: 4h, expect: {alerts: [income.frozen]}}

Cases are judged as `mode: enforce` would, whatever the policy's mode is, so that verdicts show; a case may say
`mode: observe`, or `mode: policy` for what the policy says. Values are those of a JSON body: 41 is a number, "41" text.

exit codes: 0 all pass, 1 a failure, 2 a file cannot be run, 3 all pass and --require-coverage is not met
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "test",
        help="unit tests of a policy",
        description="Run the tests of policies through the guard that judges traffic. Nothing is started or dialled.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tests", nargs="+", type=Path, metavar="POLICY_TEST", help="a *.test.yaml, or a directory")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the platform file (sidecar.yaml) of the policies")
    parser.add_argument("--environment", default="", metavar="NAME", help="the environment whose overrides hold")
    parser.add_argument(
        "--require-coverage",
        nargs="?",
        const="stated",
        choices=("stated", "all"),
        help="exit 3 unless every stated check, rule and action was exercised; `all`: implied checks (type, null) too",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML there")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run all, print, and answer with the exit code."""

    runs = _Runs(args.config, args.environment)
    files = [runs.file(path) for path in _found(args.tests)]
    if not files:
        where = ", ".join(map(str, args.tests))
        print(f"sidecar test: no *.test.yaml in {where}; write one beside the policy it tests", file=sys.stderr)
        return INVALID
    everything = args.require_coverage == "all"
    covered = runs.covered()
    render = report.as_json if args.format == "json" else report.as_text
    put(render(files, covered, everything=everything), args.output)
    if args.junit is not None:
        put(report.as_junit(files), args.junit)
    if any(one.findings and not one.results for one in files):
        return INVALID
    if any(one.failed for one in files):
        return FAILED
    missing = [item for policy in covered for item in policy.coverage.uncovered(everything=everything)]
    return UNCOVERED if args.require_coverage and missing else DONE


def _found(paths: Sequence[Path]) -> list[Path]:
    """Files as given; of a directory its *.test.yaml, in all its folders."""

    files: dict[Path, Path] = {}
    for path in paths:
        inside = [path] if not path.is_dir() else sorted(path.rglob("*"))
        for file in inside:
            if file == path or (file.name.endswith(TEST_SUFFIXES) and file.is_file()):
                files.setdefault(file.resolve(), file)
    return list(files.values())


class _Runs:
    """Test files, each policy compiled once and its coverage added up over all files that test it."""

    def __init__(self, config: Path | None, environment: str) -> None:
        self._config = config
        self._environment = environment
        self._benches: dict[tuple[Path, str], Bench] = {}

    def file(self, path: Path) -> FileReport:
        """Run one file."""

        try:
            data = path.read_bytes()
        except OSError as error:
            finding = Finding("file.unreadable", f"cannot be read: {error.strerror or error}", file=str(path))
            return FileReport(str(path), findings=(finding,))
        text, findings = read_suite(data, str(path))
        if text is None:
            return FileReport(str(path), findings=findings)
        bench, findings = self._bench(path.parent / text.suite.file, text.suite.policy_name, text)
        if bench is None:
            return FileReport(str(path), text, findings=findings)
        results, seconds = [], []
        for position in range(len(text.suite.tests)):
            started = time.perf_counter()
            results.append(run_case(bench, text.suite, position))
            seconds.append(time.perf_counter() - started)
        return FileReport(str(path), text, bench.policy.name, tuple(results), tuple(seconds))

    def _bench(self, file: Path, name: str, text: SuiteText) -> tuple[Bench | None, tuple[Finding, ...]]:

        known = (file.resolve(), name)
        if known in self._benches:
            return self._benches[known], ()
        policy, findings = one_policy(file, name, config=self._config, environment=self._environment)
        if policy is None:
            return None, tuple(_placed(finding, text) for finding in findings)
        try:
            bench = Bench(policy, compile_guard)
        except ValueError as error:
            return None, (_placed(Finding("test.policy", str(error)), text),)
        self._benches[known] = bench
        return bench, ()

    def covered(self) -> list[Covered]:
        """The coverage of each policy, in the order met."""

        return [
            Covered(bench.policy.name, str(file), bench.tally.coverage()) for (file, _), bench in self._benches.items()
        ]


def _placed(finding: Finding, text: SuiteText) -> Finding:
    """A finding without a line is about the key that names the policy."""
    if finding.line:
        return finding
    line, column = text.place("contract" if text.suite.contract else "policy")
    message = f"{finding.file}: {finding.message}" if finding.file else finding.message
    return replace(finding, message=message, file=text.parsed.file, line=line, column=column)
