"""The policies in force: loaded, published, put in force as one set, replaced only by a better one (P6)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import RuntimeSetupError
from ..health.environment import LABELS_FILE, EnvironmentCheck, check_environment, parse_labels
from ..runtime import loading, publish
from ..runtime.messages import LoadRequest, LoadResult, Policies
from ..runtime.settings import ServeSettings
from .pool import WorkerPool

RESTART_NEEDED = "limits, timeouts, journal or callers have changed in the files: they hold from the next start"


class InForce:
    """What the workers serve by, and what was refused since."""

    def __init__(
        self, settings: ServeSettings, data: Path, environ: Mapping[str, str], loader: Sequence[str], log: Any
    ) -> None:
        self.loaded = LoadResult(policies=())
        self.set_id = ""
        self.environment = EnvironmentCheck("", "")
        self.reload_refused = ""
        self.restart_needed = ""
        self.used: tuple[str, ...] = ()  # files that the last policies read took definitions from, good or refused
        self._settings = settings
        self._data = data
        self._environ = environ
        self._loader = loader
        self._log = log
        self._restart_key = ""

    async def load(self) -> LoadResult:
        """Read the files as they are now; nothing is in force by that."""
        settings = self._settings
        request = LoadRequest(
            paths=settings.policy,
            config=settings.config,
            environment=settings.environment,
            upstream=settings.upstream,
        )
        loaded = await loading.load(request, command=self._loader)
        self.used = loaded.used
        return loaded

    def begin(self, loaded: LoadResult) -> None:
        """The first set. RuntimeSetupError when it cannot be published."""
        publish.publish_files(self._data, loaded.policies or ())
        self._restart_key = loaded.restart_key
        self._take(loaded)

    def confirm(self) -> None:
        """Every worker has it: say so on disk."""
        publish.publish_current(self._data, self.set_id, self.loaded.policies or ())

    def message(self) -> Policies:
        """For workers."""
        loaded = self.loaded
        return Policies(
            set_id=self.set_id,
            digests=tuple(policy.digest for policy in loaded.policies or ()),
            upstream=loaded.upstream,
            environment=loaded.environment,
        )

    async def reload(self, pool: WorkerPool) -> str:
        """Load again and put it in force, or keep what is: "loaded", "unchanged" or "refused"."""
        loaded = await self.load()
        if loaded.policies is None:
            return self._refuse("; ".join(str(finding) for finding in loaded.errors), loaded)
        if _set_id(loaded) == self.set_id:
            self._accept(loaded)
            return "unchanged"
        before = self.loaded
        try:
            publish.publish_files(self._data, loaded.policies)
        except RuntimeSetupError as error:
            return self._refuse(str(error), loaded)
        self._take(loaded)
        refused = await pool.publish(self.message())
        if refused:
            self._take(before)
            return self._refuse(refused, loaded)
        self.confirm()
        self._accept(loaded)
        self._log.info(
            "policy.loaded",
            set=self.set_id,
            policies={policy.name: policy.digest for policy in loaded.policies},
            warnings=[str(finding) for finding in loaded.findings],
        )
        return "loaded"

    def _take(self, loaded: LoadResult) -> None:
        settings, environ = self._settings, self._environ
        self.loaded = loaded
        self.set_id = _set_id(loaded)
        labels = ""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            labels = Path(environ.get("POD_LABELS_FILE") or LABELS_FILE).read_text()
        by_variable = settings.environment == environ.get("SIDECAR_ENVIRONMENT")
        self.environment = check_environment(
            file_claim=loaded.file_environment,
            file_environments=loaded.file_environments,
            chosen=settings.environment,
            chosen_by="SIDECAR_ENVIRONMENT" if by_variable else "--environment",
            environ=environ,
            labels=parse_labels(labels),
            upstreams=[loaded.upstream, *(policy.upstream for policy in loaded.policies or ())],
        )

    def _accept(self, loaded: LoadResult) -> None:
        self.reload_refused = ""
        self.restart_needed = "" if loaded.restart_key == self._restart_key else RESTART_NEEDED
        if self.restart_needed:
            self._log.warning("platform.restart_needed", reason=self.restart_needed)

    def _refuse(self, why: str, loaded: LoadResult) -> str:
        self.reload_refused = why
        findings = [msgspec.to_builtins(finding) for finding in loaded.errors]
        self._log.error("policy.refused", reason=why, findings=findings, in_force=self.set_id)
        return "refused"


def _set_id(loaded: LoadResult) -> str:
    return publish.set_id_of(loaded.policies or (), f"{loaded.upstream}\0{loaded.environment}")
