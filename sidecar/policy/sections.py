"""A whole policy: the rooms' own sections, composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from ..contract.sections import Owner, PolicyContract
from ..journal.settings import JournalSettings
from ..yamldoc import Matches, key
from .model import Model
from .observing import Capture, Feedback, Lineage, Name, Shadow, Slice, Watch
from .platform import Archive, Callers, EnvironmentOverride, Forward, Shared, Trace, Upstream
from .urls import HostPattern

Version: TypeAlias = Annotated[str, Matches("[A-Za-z0-9][A-Za-z0-9_.+-]{0,49}", "a version like 2.3.0")]

# Sections of the platform that hold for the whole process: whoever states one must say what everybody says.
PROCESS_WIDE: Final = (
    "environment",
    "environments",
    "hosts",
    "callers",
    "journal",
    "archive",
    "forward",
    "shared",
    "trace",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may pass, in which form, to which model, and what is watched about it."""

    api: Literal["v1"] = key("v1", doc="Version of this language.")
    name: Name = key(name="policy", doc="The policy's name: in headers, records, metrics.")
    version: Version | None = key(None, doc="The policy's version.")
    owner: Owner | None = key(None, doc="Who answers for it, and where callers ask.")
    purpose: str | None = key(None, doc="What the model is for, in a sentence.")
    contract: PolicyContract = key(default_factory=PolicyContract, doc="What rows may hold, and what is done.")
    slices: tuple[Slice, ...] = key((), doc="Groups of rows that reports show on their own.")
    model: Model = key(doc="Which requests are judged, and how they are read.")
    lineage: Lineage | None = key(None, doc="Where the model came from.")
    shadow: tuple[Shadow, ...] = key((), doc="Candidates that get copies of the requests.")
    watch: Watch | None = key(None, doc="What is watched over windows of rows.")
    feedback: Feedback | None = key(None, doc="Labels, and whether predictions come back.")
    capture: Capture = key(default_factory=Capture, doc="Which rows are kept, and what is hidden in them.")

    environment: Name | None = key(None, doc="As in sidecar.yaml.")
    environments: dict[str, EnvironmentOverride] = key(default_factory=dict, doc="As in sidecar.yaml.")
    upstream: Upstream = key(default_factory=Upstream, doc="The model server.")
    hosts: tuple[HostPattern, ...] | None = key(None, doc="As in sidecar.yaml.")
    callers: Callers | None = key(None, doc="As in sidecar.yaml.")
    journal: JournalSettings | None = key(None, doc="As in sidecar.yaml.")
    archive: Archive | None = key(None, doc="As in sidecar.yaml.")
    forward: tuple[Forward, ...] = key((), doc="As in sidecar.yaml.")
    shared: Shared | None = key(None, doc="As in sidecar.yaml.")
    trace: Trace | None = key(None, doc="As in sidecar.yaml.")
