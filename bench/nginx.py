"""nginx configurations: the static model server, and the frame shared with the proxy of `systems/nginx.py`."""

from __future__ import annotations

from pathlib import Path

from . import payload

# No limit on requests per connection: closing every 1000th one would measure handshakes.
FOREVER = 1_000_000_000


def frame(folder: Path, http: str) -> str:
    """A whole configuration for one worker in the foreground that keeps its files inside `folder`."""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
{temporary}
  access_log off;
  keepalive_requests {FOREVER};
  client_body_buffer_size 64k;
{http}
}}
"""


def model_server(folder: Path, ports: tuple[int, ...]) -> str:
    """Answers every request with `payload.ANSWER`."""
    servers = "\n".join(f"  server {{ listen 127.0.0.1:{port}; {_ANSWER} }}" for port in ports)
    return frame(folder, servers)


_ANSWER = f"location / {{ default_type application/json; return 200 '{payload.ANSWER.decode()}'; }}"
