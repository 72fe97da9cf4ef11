"""W3C Trace Context: what is continued, restarted and dropped (the cases of the W3C's own level 1 suite)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.gateway import GatewaySettings
from sidecar.gateway.trace import trace_context
from sidecar.telemetry.sampling import Sampling, sampled_below
from tests.kit.client import request
from tests.kit.running import Running, running
from tests.observers.calls import exchange

pytestmark = pytest.mark.anyio
TRACE, PARENT = b"12345678901234567890123456789012", b"1234567890123456"
GOOD = b"00-" + TRACE + b"-" + PARENT + b"-01"
SENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

CONTINUED = {
    "level 1": (GOOD, b"01"),
    "not sampled": (GOOD[:-2] + b"00", b"00"),
    "the random flag of level 2": (GOOD[:-2] + b"03", b"03"),
    "unknown flags become 0": (GOOD[:-2] + b"ff", b"03"),
    "a higher version": (b"cc" + GOOD[2:], b"01"),
    "a higher version with more fields": (b"cc" + GOOD[2:] + b"-what-the-future-will-be-like", b"01"),
    "a higher version with an empty field": (b"cc" + GOOD[2:] + b"-", b"01"),
    "space around it": (b" \t" + GOOD + b" \t", b"01"),
}
RESTARTED = {
    "version ff": b"ff" + GOOD[2:],
    "version 00 with more fields": GOOD + b"-what",
    "version 00 with a dash": GOOD + b"-",
    "a higher version with other text behind": b"cc" + GOOD[2:] + b".what",
    "an upper case version": b"CC" + GOOD[2:],
    "a version too short": b"0" + GOOD[2:],
    "a version too long": b"000" + GOOD[2:],
    "a version that is not hexadecimal": b".0" + GOOD[2:],
    "trace id all zero": b"00-" + b"0" * 32 + b"-" + PARENT + b"-01",
    "trace id in upper case": b"00-" + b"A" * 32 + b"-" + PARENT + b"-01",
    "trace id with another character": b"00-" + b"." + TRACE[1:] + b"-" + PARENT + b"-01",
    "trace id too short": b"00-" + TRACE[:31] + b"-" + PARENT + b"-01",
    "trace id too long": b"00-" + TRACE + b"0-" + PARENT + b"-01",
    "parent id all zero": b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
    "parent id with another character": b"00-" + TRACE + b"-." + PARENT[1:] + b"-01",
    "parent id too short": b"00-" + TRACE + b"-" + PARENT[:15] + b"-01",
    "parent id too long": b"00-" + TRACE + b"-" + PARENT + b"0-01",
    "flags with another character": GOOD[:-2] + b".0",
    "flags too short": GOOD[:-1],
    "flags too long": GOOD + b"0",
    "empty": b"",
    "a list": GOOD + b"," + GOOD,
}


async def sent(world: Running, *fields: bytes) -> tuple[bytes, bytes, bytes]:
    """(trace id, parent id, flags) of the one traceparent that the model server gets."""
    assert (await world.ask(request("/x", None, *fields), "GET")).status == 200
    (value,) = world.upstream.received.values(b"traceparent")
    match = SENT.fullmatch(value)
    assert match is not None, value
    assert match[1] != b"0" * 32 and match[2] != b"0" * 16
    return match[1], match[2], match[3]


@pytest.mark.parametrize(("value", "flags"), [pytest.param(*case, id=name) for name, case in CONTINUED.items()])
@pytest.mark.parametrize("name", [b"traceparent", b"TraceParent", b"TRACEPARENT"])
async def test_a_valid_traceparent_is_continued(tmp_path: Path, value: bytes, flags: bytes, name: bytes) -> None:
    async with running(tmp_path) as world:
        trace, parent, kept = await sent(world, name + b":" + value, b"tracestate: foo=1,bar=2")
        assert (trace, kept) == (TRACE, flags)
        assert parent != PARENT
        assert world.upstream.received.values(b"tracestate") == [b"foo=1,bar=2"]
        exchange = world.exchange()
        assert (exchange.trace_id, exchange.parent_span_id) == (TRACE.decode(), PARENT.decode())
        assert exchange.client_span_id == parent.decode()
        assert exchange.span_id not in (exchange.client_span_id, exchange.parent_span_id)


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in RESTARTED.items()])
async def test_an_invalid_traceparent_starts_a_new_trace_without_state(tmp_path: Path, value: bytes) -> None:
    async with running(tmp_path) as world:
        trace, _, flags = await sent(world, b"traceparent: " + value, b"tracestate: foo=1")
        assert trace != TRACE
        assert flags == b"02"  # our ids are random (level 2)
        assert world.upstream.received.values(b"tracestate") == []
        assert world.exchange().parent_span_id == ""


async def test_without_a_traceparent_a_trace_begins_and_state_is_dropped(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        first = await sent(world)
        second = await sent(world, b"tracestate: foo=1")
        assert first[0] != second[0]
        assert world.upstream.received.values(b"tracestate") == []


@pytest.mark.parametrize("second", [GOOD, GOOD.replace(b"1234", b"4321")])
async def test_two_traceparents_are_none(tmp_path: Path, second: bytes) -> None:
    async with running(tmp_path) as world:
        trace, _, _ = await sent(world, b"traceparent: " + GOOD, b"traceparent: " + second, b"tracestate: foo=1")
        assert trace != TRACE
        assert world.upstream.received.values(b"tracestate") == []


@pytest.mark.parametrize(
    "states",
    [
        [b"foo=1"],
        [b"foo=1", b"bar=2", b"rojo=1,congo=2"],
        [b"foo=1 \t , \t bar=2, \t baz=3"],
        [b"foo=" + b"x" * 600, b"bar=2"],
        [b"foo=1,foo=1"],
        [b"foo @=1"],
        [b""],
        [b"foo=1,,,,bar=2"],
        [b",".join(b"bar%d=1" % number for number in range(33))],
    ],
)
async def test_tracestate_is_passed_untouched_in_order(tmp_path: Path, states: list[bytes]) -> None:
    """Even a bad one never affects traceparent; other people's keys are theirs."""
    async with running(tmp_path) as world:
        trace, _, _ = await sent(world, b"traceparent: " + GOOD, *(b"tracestate: " + state for state in states))
        assert trace == TRACE
        assert world.upstream.received.values(b"tracestate") == states


async def test_restart_continues_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, settings=GatewaySettings(trust_trace=False)) as world:
        trace, _, _ = await sent(world, b"traceparent: " + GOOD, b"tracestate: foo=1")
        assert trace != TRACE
        assert world.upstream.received.values(b"tracestate") == []


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=32, max_size=32), st.floats(0, 1) | st.sampled_from([0.0, 1.0, 2**-64, 1 - 2**-53]))
def test_a_trace_that_begins_here_is_flagged_as_the_observer_keeps_it(random: bytes, share: float) -> None:
    trace = trace_context([], random.hex(), trust=True, sampled_below=sampled_below(share))
    kept = Sampling(share, always=()).keeps(exchange(trace_id=trace.trace_id, trace_flags=2))
    assert trace.flags == (3 if kept else 2)


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_the_platforms_share_decides_for_traces_that_begin_here(tmp_path: Path, share: float) -> None:
    """`trust: continue`: the caller's decision stays; `restart`: it is ours."""
    begun = b"03" if share else b"02"
    for trust, continued in ((True, b"00"), (False, begun)):
        ours = GatewaySettings(trace_sampled_below=sampled_below(share), trust_trace=trust)
        async with running(tmp_path / str(trust), settings=ours) as world:
            assert (await sent(world))[2] == begun
            assert (await sent(world, b"traceparent: " + GOOD[:-2] + b"00"))[2] == continued
            assert [exchange.trace_flags for exchange in world.exchanges()] == [int(begun), int(continued)]


async def test_baggage_passes_untouched(tmp_path: Path) -> None:
    members = [b",".join(b"key%d=value;p=1" % number for number in range(64)), b"a=" + b"x" * 8192]
    async with running(tmp_path) as world:
        await sent(world, *(b"baggage: " + member for member in members))
        assert world.upstream.received.values(b"baggage") == members


async def test_the_new_trace_is_the_one_in_the_problem_and_the_record(tmp_path: Path) -> None:
    async with running(tmp_path, upstream_port=1) as world:
        found = await world.ask(request("/x", None, b"traceparent: " + GOOD), "GET")
        assert found.json()["trace_id"] == TRACE.decode() == world.exchange().trace_id
