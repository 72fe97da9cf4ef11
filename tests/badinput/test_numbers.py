"""B33: one verdict for each spelling of a number and each type; what passes is sent on byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.client import request
from tests.kit.guards import guard, policy, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio

CONTRACT = """
mode: enforce
errors: full
features:
  whole: {type: int}
  real: {type: float}
"""
MODELS = {
    "oip": ("protocol: oip, name: credit, columns: {t: [whole, real]}", "/v2/models/credit/infer"),
    "tfserving": ("protocol: tfserving, name: credit", "/v1/models/credit:predict"),
    "json": ("protocol: json, path: /p, rows: /rows", "/p"),
}
BODIES = {
    "oip": '{"inputs":[{"name":"t","shape":[1,2],"datatype":"FP64","data":[%s,%s]}]}',
    "tfserving": '{"instances":[{"whole":%s,"real":%s}]}',
    "json": '{"rows":[{"whole":%s,"real":%s}]}',
}
OK, SYNTAX, LARGE, SHAPE = "ok", "malformed", "too_large", "shape"

# text → what it is for an int, for a float
NUMBERS: dict[str, tuple[str, str]] = {
    "0": (OK, OK),
    "-0": (OK, OK),
    "-0.0": (OK, OK),
    "1.0": (OK, OK),
    "1e2": (OK, OK),
    "0.1e1": (OK, OK),
    "1.5": ("whole.type", OK),
    "9007199254740993": (OK, OK),
    "-9007199254740993": (OK, OK),
    "9007199254740993.0": (OK, OK),
    "18446744073709551616": (OK, OK),
    "1e22": (OK, OK),
    "1e308": (OK, OK),
    "1e-400": (OK, OK),
    "1" * 401: (SYNTAX, SYNTAX),
    "1" * 5000: (SYNTAX, SYNTAX),
    "1e400": (SYNTAX, SYNTAX),
    "-1e400": (SYNTAX, SYNTAX),
    "1.7976931348623159e308": (SYNTAX, SYNTAX),
    "NaN": (SYNTAX, SYNTAX),
    "-NaN": (SYNTAX, SYNTAX),
    "nan": (SYNTAX, SYNTAX),
    "Infinity": (SYNTAX, SYNTAX),
    "-Infinity": (SYNTAX, SYNTAX),
    "inf": (SYNTAX, SYNTAX),
    "01": (SYNTAX, SYNTAX),
    "+1": (SYNTAX, SYNTAX),
    "--1": (SYNTAX, SYNTAX),
    ".5": (SYNTAX, SYNTAX),
    "5.": (SYNTAX, SYNTAX),
    "1e": (SYNTAX, SYNTAX),
    "0x1F": (SYNTAX, SYNTAX),
    "1_000": (SYNTAX, SYNTAX),
    "1,5": (SHAPE, SHAPE),
    "１": (SYNTAX, SYNTAX),
    '"30"': ("whole.type", "real.type"),
    '""': ("whole.type", "real.type"),
    "true": ("whole.type", "real.type"),
    "false": ("whole.type", "real.type"),
    "null": ("whole.null", "real.null"),
    "[1]": ("whole.type", "real.type"),
    "{}": ("whole.type", "real.type"),
}
# Where a protocol itself says otherwise: TensorFlow Serving has the bare tokens, tensors have no cells that are lists.
OWN: dict[str, dict[str, tuple[str, str]]] = {
    "oip": {"[1]": (SHAPE, SHAPE), "{}": (SHAPE, SHAPE)},
    "tfserving": dict.fromkeys(("NaN", "Infinity", "-Infinity"), ("whole.finite", "real.finite"))
    | {"1,5": (SYNTAX, SYNTAX)},
    "json": {"1,5": (SYNTAX, SYNTAX)},
}
# Whole numbers of more than 400 digits are refused before anything is computed with them; doubles end long before.
OWN_LARGE = {"1" * 401: (LARGE, LARGE)}
STATUS = {SYNTAX: 400, LARGE: 413, SHAPE: 422}


@pytest.mark.parametrize("protocol", sorted(MODELS))
async def test_b33_numbers(tmp_path: Path, protocol: str) -> None:
    model, path = MODELS[protocol]
    by = guard(tmp_path, policy(CONTRACT, model=model))
    async with running(tmp_path, default=replies(answer(scores(0.5))), guards=[by]) as world:
        for text, verdicts in (NUMBERS | OWN[protocol] | OWN_LARGE).items():
            for verdict, cells in zip(verdicts, ((text, "2.5"), ("2", text)), strict=True):
                body = (BODIES[protocol] % cells).encode()
                asked = len(world.upstream.requests)
                found = await world.ask(request(path, body))
                why = (protocol, cells[0][:24], cells[1][:24], found.body[:200])
                if verdict == OK:
                    assert found.status == 200, why
                    assert world.upstream.received.body == body, why
                    assert world.exchanges()[-1].verdict == "ok", why
                    continue
                assert len(world.upstream.requests) == asked, why
                assert found.status == STATUS.get(verdict, 422), why
                if verdict in STATUS:
                    assert world.exchanges()[-1].reason == verdict, why
                else:
                    assert verdict.encode() in found.body, why


@pytest.mark.parametrize("protocol", sorted(MODELS))
@pytest.mark.parametrize("value", ["1e400", "1" * 5000, "9007199254740993", "-0", "1E+2", "NaN", "1e-400"])
async def test_b33_observing_sends_them_on_as_they_are(tmp_path: Path, protocol: str, value: str) -> None:
    model, path = MODELS[protocol]
    by = guard(tmp_path, policy(CONTRACT.replace("enforce", "observe"), model=model))
    body = (BODIES[protocol] % (value, value)).encode()
    async with running(tmp_path, default=replies(answer(scores(0.5))), guards=[by]) as world:
        assert (await world.ask(request(path, body))).status == 200
        assert world.upstream.received.body == body


BOUNDED = """
mode: enforce
features:
  whole: {type: int, max: 9007199254740992}
  real: {type: float, max: 9007199254740992}
"""


@pytest.mark.parametrize("protocol", sorted(MODELS))
@pytest.mark.parametrize(
    ("text", "good"), [("9007199254740992", True), ("9007199254740993", False), ("9007199254740992.0", True)]
)
def test_b33_a_bound_at_2_to_the_53_is_not_rounded_away(tmp_path: Path, protocol: str, text: str, good: bool) -> None:
    """2^53 + 1 as a double is 2^53: a check that went through doubles would let it pass."""
    by = guard(tmp_path, policy(BOUNDED, model=MODELS[protocol][0]))
    for cells in ((text, "2.5"), ("2", text)):
        body = (BODIES[protocol] % cells).encode()
        judged = by.judge_request(body, "", lambda _name: None, "", 0.0)
        assert (judged.verdict.outcome == "ok") is good, (cells, judged.verdict.codes)
        assert good or by.accept_request(body) == 0
