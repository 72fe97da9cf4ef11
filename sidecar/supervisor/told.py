"""What the other processes are told at their start: workers, observers, and commands that read the data folder."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from ..runtime.messages import ColdSettings, LoadResult, WorkerSettings
from ..runtime.settings import ServeSettings
from ..runtime.setup import Setup


def worker_settings(
    settings: ServeSettings, index: int, loaded: LoadResult, data: Path, journal: Path, secret: Path, replica: str
) -> WorkerSettings:
    """Of one worker."""
    return WorkerSettings(
        worker=index,
        workers=settings.workers,
        observers=settings.observers == "on",
        data=str(data),
        journal=str(journal),
        platform=loaded.platform,
        unmatched=settings.unmatched,
        replica=replica,
        secret_file=str(secret),
        feedback_token_file=settings.feedback_token_file,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
    )


def cold_settings(settings: ServeSettings, *, data: Path, journal: Path, admin_fd: int) -> ColdSettings:
    """Of the observers' process."""
    return ColdSettings(
        data=str(data),
        journal=str(journal),
        admin_fd=admin_fd,
        admin_token_file=_absolute(settings.admin_token_file),
        access_log=settings.access_log,
    )


def setup_of(settings: ServeSettings, loaded: LoadResult, *, journal: Path, replica: str) -> Setup:
    """What is in force, for whoever reads the folder."""
    return Setup(
        journal=str(journal),
        replica=replica,
        environment=loaded.environment,
        platform=loaded.platform,
        secret_file=_absolute(settings.secret_file),
        workers=settings.workers,
        scheme="https" if settings.tls_cert else "http",
    )


def replica_of(environ: Mapping[str, str]) -> str:
    """This instance's name among others."""
    return environ.get("POD_NAME") or socket.gethostname()


def _absolute(file: str) -> str:
    return file and str(Path(file).absolute())
