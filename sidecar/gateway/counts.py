"""The gateway's places in the stats page: each count is one addition to shared memory."""

from __future__ import annotations

from typing import Final

from ..errors import UpstreamFault
from ..journal import StatsPage
from ..telemetry import metrics as m

_OUTCOME_SLOTS: Final = {outcome: m.REQUESTS.at(outcome) for outcome in m.OUTCOMES}
_CLASS_SLOTS: Final = tuple(m.RESPONSES.at(code_class) for code_class in m.CODE_CLASSES)
_UPSTREAM_SLOTS: Final = {fault: m.UPSTREAM_ERRORS.at(fault.value) for fault in UpstreamFault}
_CLIENT_ABORTS: Final = m.CLIENT_ABORTS.at()
_PARSER_ERRORS: Final = m.PARSER_ERRORS.at()
_REFUSED: Final = m.REFUSED_CONNECTIONS.at()
_UNGUARDED: Final = m.UNGUARDED.at()
_GUARD_ERRORS: Final = m.GUARD_ERRORS.at()
_IN_FLIGHT: Final = m.IN_FLIGHT.at()
_CONNECTIONS: Final = m.CONNECTIONS.at()
_BUFFERED: Final = m.BUFFERED_BYTES.at()


class Counts:
    """What the gateway counts; gauges are set, counters added to."""

    def __init__(self, page: StatsPage) -> None:
        self.page = page
        self._counters = page.counters
        self._gauges = page.gauges

    def answered(self, outcome: str, status: int, total_ns: int, upstream_ns: int, contract_ns: int) -> None:
        """One exchange has ended and its answer is on its way; `outcome` is one of `OUTCOMES`."""
        counters = self._counters
        counters[_OUTCOME_SLOTS[outcome]] += 1
        if status:
            counters[_CLASS_SLOTS[min(status // 100, 5) - 1]] += 1  # a server may say 799
        m.REQUEST_SECONDS.observe(counters, total_ns)
        m.OVERHEAD_SECONDS.observe(counters, total_ns - upstream_ns)
        if upstream_ns:
            m.UPSTREAM_SECONDS.observe(counters, upstream_ns)
        if contract_ns:
            m.CONTRACT_SECONDS.observe(counters, contract_ns)

    def problem(self, kind: str) -> None:
        self._counters[m.PROBLEMS.nearest(kind)] += 1

    def would_refuse(self, reason: str) -> None:
        self._counters[m.WOULD_REFUSE.nearest(reason)] += 1

    def upstream_error(self, fault: UpstreamFault) -> None:
        self._counters[_UPSTREAM_SLOTS[fault]] += 1

    def client_aborts(self) -> None:
        self._counters[_CLIENT_ABORTS] += 1

    def parser_errors(self) -> None:
        self._counters[_PARSER_ERRORS] += 1

    def refused_connections(self) -> None:
        self._counters[_REFUSED] += 1

    def unguarded(self) -> None:
        self._counters[_UNGUARDED] += 1

    def guard_errors(self) -> None:
        self._counters[_GUARD_ERRORS] += 1

    def feedback(self, accepted: int, rejected: int) -> None:
        self._counters[m.FEEDBACK.at("accepted")] += accepted
        self._counters[m.FEEDBACK.at("rejected")] += rejected

    def loop_lag(self, nanoseconds: int) -> None:
        m.LOOP_LAG_SECONDS.observe(self._counters, nanoseconds)

    def levels(self, connections: int, in_flight: int, buffered_bytes: int) -> None:
        """The gauges, set once a tick."""
        self._gauges[_CONNECTIONS] = connections
        self._gauges[_IN_FLIGHT] = in_flight
        self._gauges[_BUFFERED] = buffered_bytes
