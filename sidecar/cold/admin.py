"""What the admin port tells: put together from the supervisor's status, the stats pages and the observers at work."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from .. import __version__
from ..admin import PredictionQuery, Sources, application
from ..admin.server import serving
from ..health.readiness import Readiness
from ..health.routes import policies_in_force
from ..journal import read_pages
from ..journal.progress import Lag, lags
from ..runtime.lock import is_held
from ..runtime.secret import read_token
from ..runtime.setup import STATUS_NAME, ask_reload
from ..telemetry import exposition, metrics, series
from .lookup import Lookup
from .process import Cold

STALE_SECONDS: Final = 5.0  # the supervisor writes every second
SCOPE: Final = {"scope": "replica", "replicas": 1}
NO_METRICS: Final = "the metrics observer is not running: see observers in /api/status"
NO_SHADOW: Final = "no policy in force names a candidate (shadow:)"


@contextlib.asynccontextmanager
async def admin_of(cold: Cold) -> AsyncIterator[None]:
    """Answer on the socket that the settings name, for the length of the block."""
    listener = socket.socket(fileno=cold.settings.admin_fd)
    listener.setblocking(False)
    token = read_token(cold.settings.admin_token_file, "--admin-token-file")

    def complain(path: str, error: Exception) -> None:
        cold.log.error("admin.failed", path=path, exc_info=error)

    async with serving(application(Desk(cold).sources(), token=token, complain=complain), listener):
        yield


class Desk:
    """One method per document of the API."""

    def __init__(self, cold: Cold) -> None:
        self._cold = cold
        self._lookup = Lookup(cold)

    def sources(self) -> Sources:
        """For `admin.application`."""
        return Sources(
            status=self.status,
            readyz=self.readyz,
            metrics=self.metrics,
            policies=self.policies,
            contract=self.contract,
            shadow=self.shadow,
            predictions=self.predictions,
            prediction=self._lookup.one,
            reload=self.reload,
        )

    # -- health

    def gateway(self) -> tuple[Mapping[str, Any], str]:
        """(what the supervisor last said, "" or why that is not what is)."""
        path = self._cold.data / STATUS_NAME
        if not is_held(self._cold.data):
            return {}, f"no gateway serves from {self._cold.data}"
        try:
            age = time.time() - path.stat().st_mtime
            said: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError):
            return {}, "the gateway has not said anything yet"
        if age > STALE_SECONDS:
            return said, f"the gateway last said something {age:.0f} s ago"
        return said, ""

    def readyz(self, policy: str | None) -> tuple[int, Mapping[str, Any]]:
        """As the gateway's own /readyz says."""
        said, because = self.gateway()
        if because:
            return 503, {"ready": False, "reasons": [because]}
        if policy is None:
            return (200 if said["ready"] else 503), said
        found = next((each for each in said["policies"] if each["name"] == policy), None)
        if found is None:
            known = [each["name"] for each in said["policies"]]
            return 404, {"ready": False, "reasons": [f"no policy {policy[:80]!r}"], "policies": known}
        ready = found["ready"] and not said["process_reasons"]
        return (200 if ready else 503), {
            **found,
            "ready": ready,
            "reasons": [*said["process_reasons"], *found["reasons"]],
        }

    def metrics(self, accept: str) -> tuple[str, bytes]:
        """Stats pages of all processes, and the series made from records."""
        readings, _ = read_pages(self._cold.data)
        families = [*self._record_families(), *self._policy_families()]
        return exposition.render(
            accept, [reading.values for reading in readings], families, info={"version": __version__}
        )

    # -- documents

    def status(self) -> Mapping[str, Any]:
        """Everything a person looks at first."""
        cold, (said, because) = self._cold, self.gateway()
        readings, unreadable = read_pages(cold.data)
        total = metrics.merge([reading.values for reading in readings])

        def count(metric: metrics.Metric) -> int:
            return sum(int(total.counters[slot]) for slot in metric.slots.values())

        counters = {
            "requests": count(metrics.REQUESTS),
            "problems": count(metrics.PROBLEMS),
            "unguarded": count(metrics.UNGUARDED),
            "records": count(metrics.JOURNAL_RECORDS),
            "dropped": count(metrics.JOURNAL_DROPPED),
            "unread": count(metrics.JOURNAL_UNREAD),
        }
        setup = cold.setup
        return {
            **SCOPE,
            "version": __version__,
            "replica": setup.replica if setup is not None else "",
            "reachable": bool(said),
            "because": because,
            "gateway": said,
            "journal": {**self._journal(said), **_disk(cold.data)},
            "archive": self._archive(),
            "observers": self._observers(),
            "observers_because": "" if setup is not None else f"no gateway has served from {cold.data} yet",
            "counters": counters,
            "unreadable_pages": unreadable,
        }

    def policies(self) -> Mapping[str, Any]:
        """The set in force, by digest."""
        current, (said, _) = self._cold.current, self.gateway()
        standing = {each["digest"]: each for each in said.get("policies", [])}
        found = []
        for listed in current.policies if current is not None else ():
            now = standing.get(listed.digest, {})
            policy = self._cold.book.policy(listed.digest)
            model = policy.model if policy is not None else None
            found.append(
                {
                    **msgspec.to_builtins(listed),
                    "protocol": model.protocol if model is not None else "",
                    "model": (model.name or "") if model is not None else "",
                    "ready": now.get("ready"),
                    "identity": now.get("identity", ""),
                    "model_version": now.get("model_version", ""),
                    "reasons": now.get("reasons", []),
                }
            )
        because = "" if found else "no policy is in force: requests are passed and recorded, nothing is checked"
        return {**SCOPE, "set_id": current.set_id if current is not None else "", "policies": found, "because": because}

    def contract(self) -> Mapping[str, Any]:
        """Verdicts by policy, violations by feature and code, where a candidate contract would decide otherwise, and
        the alerts that are on."""
        families = {family.name: family for family in self._record_families()}
        recorded = families.get(series.RECORDED.name)
        if recorded is None:
            nothing: dict[str, list[Any]] = {
                "verdicts": [],
                "violations": [],
                "candidate_rows": [],
                "candidate_violations": [],
            }
            return {**SCOPE, **nothing, **self._alerts(), "because": NO_METRICS}
        verdicts: dict[tuple[str, str], int] = {}
        for labels, value in recorded.series:
            policy, _, _, verdict = labels
            verdicts[policy, verdict] = verdicts.get((policy, verdict), 0) + int(_number(value))
        return {
            **SCOPE,
            "verdicts": [
                {"policy": policy, "verdict": verdict, "requests": requests}
                for (policy, verdict), requests in sorted(verdicts.items(), key=lambda item: -item[1])
            ],
            "violations": _counted(families, series.VIOLATIONS, "violations")[:500],
            "candidate_rows": _counted(families, series.CANDIDATE_ROWS, "rows"),
            "candidate_violations": _counted(families, series.CANDIDATE_VIOLATIONS, "violations")[:500],
            **self._alerts(),
            "because": "" if verdicts else "no request has been recorded yet",
        }

    def _alerts(self) -> dict[str, Any]:
        """What is beyond the limits that policies watch, and why there can be nothing of the kind."""
        observer = self._observer("alerts")
        if observer is None:
            because = self._cold.idle.get("alerts", "the alerts observer is not running")
            return {"alerts": [], "alerts_because": because}
        return {"alerts": observer.snapshot(), "alerts_because": ""}

    def shadow(self) -> Mapping[str, Any]:
        """Agreement of each candidate with the primary."""
        observer = self._observer("shadow")
        because = NO_SHADOW if self._cold.idle.get("shadow") else "the shadow observer is not running"
        if observer is None:
            return {**SCOPE, "candidates": [], "because": because}
        snapshot = getattr(observer, "snapshot", None)
        found: dict[str, Any] = snapshot() if snapshot is not None else {"candidates": []}
        return {**SCOPE, **found, "because": "" if found["candidates"] else "no candidate was asked yet"}

    async def predictions(self, query: PredictionQuery) -> Mapping[str, Any]:
        """One page of rows, newest first."""
        rows, following, because = await self._lookup.page(query)
        return {**SCOPE, "predictions": rows, "next": following, "because": because}

    def reload(self) -> str:
        """Ask the supervisor, wherever it is."""
        if not is_held(self._cold.data):
            return f"no gateway serves from {self._cold.data}"
        try:
            ask_reload(self._cold.data)
        except OSError as error:
            return f"{self._cold.data}: cannot be written ({error.strerror})"
        return ""

    # -- parts

    def _observer(self, kind: str) -> Any:
        observing = self._cold.observing
        runner = observing.runners.get(kind) if observing is not None else None
        return runner.observer if runner is not None else None

    def _record_families(self) -> list[exposition.Family]:
        made = (getattr(self._observer(kind), "families", None) for kind in ("metrics", "alerts"))
        return [family for families in made if families is not None for family in families()]

    def _policy_families(self) -> list[exposition.Family]:
        said, because = self.gateway()
        if because or not said:
            return []
        return policies_in_force(msgspec.convert(said, Readiness))

    def _observers(self) -> list[dict[str, Any]]:
        cold = self._cold
        progress = cold.observing.progress() if cold.observing is not None else ()
        found: dict[str, Lag] = lags(cold.journal, progress, time.time())
        rows: list[dict[str, Any]] = [
            {
                "name": each.observer,
                "state": "running" if each.running else "restarting",
                "lag_seconds": round(found[each.observer].seconds, 3),
                "lag_bytes": found[each.observer].size,
                "errors": each.errors,
                "because": each.because,
            }
            for each in progress
        ]
        idle = {"state": "idle", "lag_seconds": 0.0, "lag_bytes": 0, "errors": 0}
        return rows + [{"name": kind, **idle, "because": why} for kind, why in sorted(cold.idle.items())]

    def _archive(self) -> dict[str, Any]:
        """Where rows go; `max_bytes` None = no limit."""
        archive = self._cold.archive
        return {"to": archive.to, "max_bytes": archive.max_bytes} if archive is not None else {}

    def _journal(self, said: Mapping[str, Any]) -> dict[str, Any]:
        nothing = {"bytes": 0, "max_bytes": 0, "when_full": "", "full_in_seconds": None, "refusing": False}
        return {**nothing, **said.get("journal", {})}


def _counted(families: Mapping[str, exposition.Family], metric: series.RecordMetric, what: str) -> list[dict[str, Any]]:
    """The series of one counter as objects, the largest first."""
    counted = families[metric.name].series if metric.name in families else ()
    found: list[dict[str, Any]] = [
        {**dict(zip(metric.labels, labels, strict=True)), what: int(_number(value))} for labels, value in counted
    ]
    return sorted(found, key=lambda each: -each[what])


def _disk(data: Path) -> dict[str, int]:
    try:
        volume = os.statvfs(data)
    except OSError:
        return {"disk_free_bytes": 0, "disk_bytes": 0}
    return {
        "disk_free_bytes": volume.f_bavail * volume.f_frsize,
        "disk_bytes": volume.f_blocks * volume.f_frsize,
    }


def _number(value: exposition.Value) -> float:
    return value if isinstance(value, int | float) else float(sum(value.counts))
