"""What the observers tell is shown in few lines, and what should be there and is not is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sidecar.demo.launch import find_policies, write_configuration
from sidecar.demo.receiver import Span
from sidecar.demo.watched import agreement, disagreement, unlinked

SERVER = Span("POST /v2", "SERVER", "a" * 32, "1" * 16, "", 2.0)
CLIENT = Span("POST", "CLIENT", "a" * 32, "2" * 16, "1" * 16, 1.0)
COPY = Span("shadow", "CLIENT", "b" * 32, "3" * 16, "", 1.0, {}, ("a" * 32,))


def told(*, agree: float = 0.75, failed: int = 0, coverage: float = 1.0) -> dict[str, Any]:
    """An entry of /api/shadow."""
    output = {"compare": {"tolerance": 16.0}, "agreement": agree, "difference_mean": 9.26, "difference_max": 21.9}
    return {
        "candidate": "next",
        "units": {"compared": 28, "agree": 21, "failed": failed},
        "coverage": coverage,
        "agreement": agree,
        "outcomes": {"compared": 5},
        "outputs": {"predict": output},
    }


def test_agreement_is_told_per_output() -> None:
    assert agreement(told()) == [
        "next  28 rows compared, 0 failed, coverage 100%",
        "predict  agrees within 16 in 75% of the rows",
        "differs by 9.3 on average, 21.9 at most",
    ]


def test_a_candidate_that_differs_about_some_rows_is_as_expected() -> None:
    assert disagreement(told()) == []


def test_a_candidate_that_is_away_or_a_copy_of_the_primary_is_not() -> None:
    assert disagreement(told(failed=2))
    assert disagreement(told(coverage=0.9))
    assert disagreement(told(agree=1.0))
    assert disagreement(told(agree=0.2))


def test_a_whole_trace_lacks_nothing() -> None:
    assert unlinked([COPY, CLIENT, SERVER]) == []


def test_each_span_that_did_not_come_is_named() -> None:
    assert unlinked([]) == ["0 SERVER spans came, expected 1"]
    assert unlinked([SERVER, COPY]) == ["no CLIENT span under the SERVER span came"]
    assert unlinked([SERVER, CLIENT]) == ["no span of the copy came that is linked to its request"]


def test_the_candidate_is_written_into_one_of_the_policies(tmp_path: Path) -> None:
    flags = write_configuration(tmp_path / "policies", find_policies(), "http://127.0.0.1:2", "http://127.0.0.1:3")
    assert flags[::2] == ["--config", "--policy", "--policy"]
    iris, diabetes = (Path(flag) for flag in flags[3::2])
    assert "127.0.0.1:2" not in iris.read_text()
    assert "upstream: http://127.0.0.1:2" in diabetes.read_text()
    assert "http://127.0.0.1:3" in Path(flags[1]).read_text()
