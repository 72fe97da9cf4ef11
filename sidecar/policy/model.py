"""The `model:` section: which requests this policy judges, how they are read, and which model must answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from ..families import members
from ..wire import Wire
from ..yamldoc import Finding, Matches, key, keys_of
from .urls import Url

# Protocols the policy language knows before this version can read them: `check` validates the rest and says so.
PLANNED: Final = ("mlflow", "sagemaker", "torchserve")
Protocol: TypeAlias = Annotated[str, Matches("[a-z][a-z0-9_]*", "a protocol's name")]
Path: TypeAlias = Annotated[
    str, Matches(r"/[A-Za-z0-9_.~!$&'()*+,;=:@/-]*", "a raw path like /predict, without query or escapes")
]
# Bodies name models as hubs do (`org/name`); a name in a path is one segment.
ModelName: TypeAlias = Annotated[
    str, Matches(r"[^\s/?#%]+(?:/[^\s/?#%]+)*", "a model's name, without spaces, `?`, `#` or `%`")
]
Digest: TypeAlias = Annotated[str, Matches("[a-z0-9]+:[0-9a-f]{6,128}", "a digest like sha256:9f2c0a77d1")]


def protocols() -> Mapping[str, type[Any] | None]:
    """Protocol → the wire member that reads it, or None where this version has none."""
    known: dict[str, type[Any] | None] = dict.fromkeys(PLANNED)
    return {**known, **members("sidecar.wire")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model behind the sidecar."""

    name: ModelName | None = key(
        None, doc="The name in the request's path or body. May be left out when one policy is loaded, or with `path`."
    )
    version: str | tuple[str, ...] = key(
        (), doc="The version that must answer; two while rolling out; left out: recorded, not pinned."
    )
    digest: Digest | None = key(None, doc="The digest the model must have, where its server states one.")
    protocol: Protocol = key(doc="How requests and answers are read: oip, tfserving, openai, json, opaque, …")
    path: Path | None = key(None, doc="Judge the requests of this one path, instead of those that name the model.")
    upstream: Url | None = key(None, doc="Short for `upstream: {url: URL}`.")
    on_mismatch: Literal["stop", "warn"] = key(
        "stop", doc="When another version answers: refuse this model's requests (503), or only say so."
    )
    wire: Wire | None = keys_of("protocol", protocols, doc="The protocol with its own keys.")

    @property
    def versions(self) -> tuple[str, ...]:
        """The pinned versions; () = not pinned."""
        return (self.version,) if isinstance(self.version, str) else self.version

    def problems(self) -> Iterator[Finding]:
        """What the keys cannot say one by one."""
        if self.path is not None and self.path.startswith("/_sidecar/"):
            yield Finding("model.path", "`/_sidecar/` is the sidecar's own prefix", path=("path",))
        if self.path is not None and ("//" in self.path or "/." in self.path):
            hint = "such paths are refused before any policy is asked"
            yield Finding("model.path", "a path with `//`, `/.` or `/..` matches no request", hint, path=("path",))
