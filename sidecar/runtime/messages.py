"""What supervisor and workers tell each other, and what the loader tells the supervisor: plain frozen values, JSON.

A worker hears `Start` first, then any number of `Policies`, `Standing`, `Drain`, `StopAccepting`, `Stop`; it says
`Ready` or `Failed` once, `Applied` or `Refused` for each `Policies`, `Report` every second and `Drained` at the end.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

IdentityState: TypeAlias = Literal["match", "mismatch", "unstated"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of a policy file, as `check` prints it."""

    code: str
    message: str
    hint: str = ""
    severity: str = "error"
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = (
            f"{place}: {self.severity}: {self.message} [{self.code}]" if place else f"{self.severity}: {self.message}"
        )
        return f"{text}\n    {self.hint}" if self.hint else text


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor knows of one policy; its rules stay in `canonical`, which it never looks into."""

    name: str
    digest: str
    canonical: str  # JSON text
    version: str = ""
    mode: str = "observe"  # the strongest
    modes: str = ""  # where callers have their own: in words
    protocol: str = ""
    path: str = ""
    model_name: str = ""
    model_versions: tuple[str, ...] = ()
    model_digest: str = ""
    stop_on_mismatch: bool = True
    upstream: str = ""  # "" = the default one
    not_acted_on: tuple[str, ...] = ()  # keys this version reads and does nothing with


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to load."""

    paths: tuple[str, ...] = ()
    config: str = ""
    environment: str = ""
    upstream: str = ""


class JournalFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The `journal:` section, as the supervisor's retention needs it."""

    durability: str = "written"
    max_bytes: int = 1 << 30
    max_payload: int = 256 << 10
    max_age: float | None = 3600.0
    when_full: str = "drop_oldest"


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """`policies` None = unusable: the findings say why."""

    findings: tuple[Finding, ...] = ()
    policies: tuple[PolicyFacts, ...] | None = None
    platform: str = "{}"  # canonical JSON text of sidecar.yaml's resolved sections
    restart_key: str = ""  # changes with what holds only from the next start
    upstream: str = ""  # the default one
    environment: str = ""  # in force
    file_environment: str = ""  # what the files say they are for, before any flag
    file_environments: tuple[str, ...] = ()  # those the files have overrides for
    journal: JournalFacts = JournalFacts()
    not_acted_on: tuple[str, ...] = ()
    used: tuple[str, ...] = ()  # files that policies took definitions from: a change of one is a change of theirs

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop it from being used."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker needs to know, resolved: it reads no flag, no variable, no sidecar.yaml."""

    worker: int
    data: str
    journal: str
    workers: int = 1  # of this container, which share its memory
    observers: bool = False  # run in it, too
    platform: str = "{}"  # canonical JSON text
    unmatched: str = "auto"
    replica: str = ""
    secret_file: str = ""
    feedback_token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class ColdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the cold process is started with. "" and -1 mean: not given."""

    data: str
    journal: str = ""  # where the gateway's setup says otherwise
    admin_fd: int = -1  # a bound socket
    admin_token_file: str = ""
    secret_file: str = ""
    access_log: str = ""  # stderr, or a file
    parent_fd: int = -1  # its end is ours
    flush_seconds: float = 5.0  # on leaving: to read to the end and commit
    patience: tuple[float, float, float] = (60.0, 0.1, 30.0)  # seconds: one take, first and longest backoff


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """`listen_fd` is a socket that listens already."""

    settings: WorkerSettings
    listen_fd: int


class Policies(msgspec.Struct, frozen=True, kw_only=True, tag="policies"):
    """Serve by these digests (files DATA/policies/<digest>.json) from now on, as one change.

    `upstream` is the default one, `environment` the one in force.
    """

    set_id: str
    digests: tuple[str, ...]
    upstream: str = ""
    environment: str = ""


class ModelStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What the last probe said of one policy's model."""

    identity: IdentityState = "unstated"
    version: str = ""
    ready: bool = True


class Standing(msgspec.Struct, frozen=True, kw_only=True, tag="standing"):
    """What the supervisor knows that a worker acts on. `models` by policy name; texts are "" or the reason."""

    models: dict[str, ModelStanding] = {}
    wrong_environment: str = ""
    not_ready: str = ""


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Still accept; every answer from now on says `Connection: close`."""


class StopAccepting(msgspec.Struct, frozen=True, tag="stop_accepting"):
    """Accept no more; leave when the last answer is out."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Leave now."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Policies are in force and connections are being accepted."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Could not start: the message is for the operator."""

    message: str


class Applied(msgspec.Struct, frozen=True, tag="applied"):
    """This set is in force here."""

    set_id: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """This set could not be used; the one before stays."""

    set_id: str
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """Once a second: this worker's loop turns."""

    in_flight: int = 0
    journal_refusing: bool = False


class Drained(msgspec.Struct, frozen=True, tag="drained"):
    """Nothing is in flight; `cut` requests were not finished."""

    cut: int = 0


ToWorker: TypeAlias = Start | Policies | Standing | Drain | StopAccepting | Stop
ToSupervisor: TypeAlias = Ready | Failed | Applied | Refused | Report | Drained

TO_WORKER: Final = msgspec.json.Decoder(ToWorker)
TO_SUPERVISOR: Final = msgspec.json.Decoder(ToSupervisor)
encode: Final = msgspec.json.Encoder().encode
