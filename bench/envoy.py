"""Envoy bootstrap documents, shared by the two Envoy systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TYPE = "type.googleapis.com/envoy.extensions"


def bootstrap(
    port: int,
    clusters: dict[str, int],
    route_action: dict[str, Any],
    extra: dict[str, Any] | None = None,
    response_headers: dict[str, str] | None = None,
) -> str:
    """One listener that sends everything to `clusters["model"]`; `extra` goes into the connection manager."""
    added = [{"header": {"key": key, "value": value}} for key, value in (response_headers or {}).items()]
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {
            "response_headers_to_add": added,
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "model", **route_action}}],
                }
            ],
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"}},
        ],
        **(extra or {}),
    }
    listener = {
        "name": "data",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return json.dumps(
        {
            "static_resources": {
                "listeners": [listener],
                "clusters": [_cluster(name, at) for name, at in clusters.items()],
            }
        },
        indent=1,
    )


def json_access_log(path: Path) -> dict[str, Any]:
    """The facts of a call that Envoy knows, one JSON object a line."""
    fields = {
        "start": "%START_TIME%",
        "method": "%REQUEST_HEADER(:METHOD)%",
        "path": "%REQUEST_HEADER(:PATH)%",
        "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "request_bytes": "%BYTES_RECEIVED%",
        "response_bytes": "%BYTES_SENT%",
        "total_ms": "%DURATION%",
        "upstream": "%UPSTREAM_HOST%",
    }
    kind = f"{_TYPE}.access_loggers.file.v3.FileAccessLog"
    return {
        "name": "file",
        "typed_config": {"@type": kind, "path": str(path), "log_format": {"json_format": fields}},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
