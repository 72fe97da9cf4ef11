"""nginx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .. import environments
from .. import nginx as configuration
from .base import Launch, Place


class Nginx:
    """nginx, plain proxy: one worker, keep-alive on both sides, no log."""

    kind: ClassVar[str] = "nginx"
    guarded: ClassVar[bool] = False
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch:
        http = f"""
  upstream model {{
    server 127.0.0.1:{place.upstream_port};
    keepalive 64;
    keepalive_requests {configuration.FOREVER};
  }}
  server {{
    listen 127.0.0.1:{place.port};
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""
        path = place.write("nginx.conf", configuration.frame(place.folder, http))
        binary = environments.tool("nginx", "nginx-light")
        return Launch((binary, "-e", str(place.folder / "error.log"), "-p", str(place.folder), "-c", str(path)))

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


MEMBER = Nginx
