"""Envoy doing the part of the job that it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .. import envoy as configuration
from .base import Launch, Place
from .envoy import command


class EnvoyDuties:
    """Envoy, the duties it has without an extension: 10 % mirrored, JSON access log, ids; it checks no row."""

    kind: ClassVar[str] = "envoy-duties"
    guarded: ClassVar[bool] = False
    stamped: ClassVar[Mapping[str, str]] = {"x-model-version": "1"}

    def launch(self, place: Place) -> Launch:
        tenth = {"default_value": {"numerator": 10, "denominator": "HUNDRED"}}
        mirror = {"request_mirror_policies": [{"cluster": "candidate", "runtime_fraction": tenth}]}
        extra = {
            "access_log": [configuration.json_access_log(place.folder / "access.log")],
            "generate_request_id": True,
            "always_set_request_id_in_response": True,
        }
        document = configuration.bootstrap(
            place.port,
            {"model": place.upstream_port, "candidate": place.mirror_port},
            mirror,
            extra,
            response_headers={"x-model-version": "1"},
        )
        return Launch(command(place.write("envoy.json", document)))

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = EnvoyDuties
