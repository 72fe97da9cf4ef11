"""The platform owner's sections (sidecar.yaml): where requests go, what may be dialled, what is kept where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from ..contract.sections import ContractSection, Mode, Owner
from ..journal.settings import JournalSettings
from ..yamldoc import ByteSize, Finding, Matches, Seconds, Share, key, keys_of
from .observing import Capture, Count, Name, Watch
from .urls import Bootstrap, HostPattern, SinkUrl, Url

CallerSource: TypeAlias = Annotated[
    str, Matches(r"xfcc|jwt:[A-Za-z0-9_.:/-]+|[A-Za-z0-9-]+", "a header's name, xfcc, or jwt:CLAIM")
]
StoreUrl: TypeAlias = Annotated[str, Matches(r"(?:s3|gs|az)://[^\s?#]+|[^\s:]+", "a folder, or s3://…, gs://…, az://…")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the upstream may take; `off` is no limit."""

    connect: Seconds | None = key(1.0, doc="To connect.")
    first_byte: Seconds | None = key(30.0, doc="From the request's last byte to the answer's first.")
    idle: Seconds | None = key(60.0, doc="Between two pieces of an answer.")
    total: Seconds | None = key(None, doc="For the whole exchange.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The model server. Timeouts and in-flight limits apply where a policy enforces and are counted elsewhere."""

    url: Url | None = key(None, doc="Where the model is served; also `--upstream`.")
    timeout: Timeouts = key(default_factory=Timeouts, doc="How long it may take.")
    max_in_flight: Count | None = key(256, doc="Requests at one time; more are shed (503); `off`: no limit.")
    max_body: ByteSize = key(16 * 2**20, doc="The largest body that is read to be judged.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOverride:
    """What one environment may change: upstreams, hosts, mode and sample only."""

    upstream: Url | dict[str, Url] | None = key(None, doc="Another upstream: for all, or by policy name.")
    hosts: tuple[HostPattern, ...] | None = key(None, doc="Other hosts.")
    mode: Mode | None = key(None, doc="Another contract mode.")
    sample: Share | None = key(None, doc="Another capture sample.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """How callers are told apart."""

    from_: CallerSource = key("x-caller", name="from", doc="A header's name, xfcc, or a claim as jwt:CLAIM.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Prediction rows as Parquet."""

    to: StoreUrl | None = key(None, doc="A folder, or s3://…, gs://…, az://…; left out: `archive` in the data folder.")
    max_bytes: ByteSize | None = key(
        None,
        doc="The most it takes in a local folder; without `to`: 5 GiB, or what its volume has beside the journal.",
    )
    every: Seconds = key(60.0, doc="How often files are written.")
    partition: tuple[Literal["date", "hour", "model", "policy"], ...] = key(("date", "model"), doc="Folder levels.")
    retain: Seconds | None = key(None, doc="How long rows are kept.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """A Kafka topic."""

    bootstrap: Bootstrap = key(doc="Brokers, like kafka:9092.")
    topic: Name = key(doc="The topic.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvents:
    """An HTTP endpoint for CloudEvents."""

    url: SinkUrl = key(doc="Where events are posted.")
    shape: Literal["kserve", "record"] = key("record", doc="What an event holds: KServe's logger form, or the record.")


def _sinks() -> Mapping[str, type[Any]]:
    return {"kafka": Kafka, "cloudevents": CloudEvents}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A stream of records to elsewhere."""

    to: Literal["kafka", "cloudevents"] = key(doc="The kind of sink.")
    sink: Kafka | CloudEvents | None = keys_of("to", _sinks, doc="The sink with its own keys.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What replicas share."""

    state: StoreUrl = key(doc="Where replicas write their sums.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Which exchanges become spans, and whose trace they join."""

    to: SinkUrl | None = key(None, doc="The collector (OTLP over HTTP); also OTEL_EXPORTER_OTLP_ENDPOINT.")
    sample: Share = key(0.05, doc="The share of traces that is exported.")
    always: tuple[Literal["rejected", "error", "slow", "repaired", "fallback"], ...] = key(
        ("rejected", "error", "slow"), doc="Exported whatever the sample."
    )
    slow: Seconds = key(1.0, doc="From when an exchange is slow.")
    trust: Literal["continue", "restart"] = key("continue", doc="Join the caller's trace, or begin a new one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Keys that a policy takes from here where it does not state them."""

    owner: Owner | None = key(None, doc="Default owner.")
    contract: ContractSection | None = key(None, doc="Default keys of `contract:`.")
    watch: Watch | None = key(None, doc="Default keys of `watch:`.")
    capture: Capture | None = key(None, doc="Default keys of `capture:`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """sidecar.yaml: what the platform's owner says for all policies."""

    api: Literal["v1"] = key("v1", doc="Version of this language.")
    environment: Name | None = key(None, doc="The environment this file is for; not ready anywhere else.")
    environments: dict[str, EnvironmentOverride] = key(default_factory=dict, doc="Environment → what it changes.")
    upstream: Upstream = key(default_factory=Upstream, doc="The model server.")
    hosts: tuple[HostPattern, ...] | None = key(None, doc="The only hosts we dial; left out: any host stated here.")
    callers: Callers = key(default_factory=Callers, doc="How callers are told apart.")
    journal: JournalSettings = key(default_factory=JournalSettings, doc="Records on local disk.")
    archive: Archive | None = key(None, doc="Prediction rows as Parquet.")
    forward: tuple[Forward, ...] = key((), doc="Streams of records to elsewhere.")
    shared: Shared | None = key(None, doc="What replicas share.")
    trace: Trace = key(default_factory=Trace, doc="Which exchanges become spans.")
    defaults: Defaults = key(default_factory=Defaults, doc="Keys that policies take from here.")

    def problems(self) -> Iterator[Finding]:
        """Two sinks of one kind and place would send everything twice."""
        for position, sink in enumerate(self.forward):
            if sink in self.forward[:position]:
                yield Finding("forward.twice", "this sink is here twice", "keep one", path=("forward", position))
