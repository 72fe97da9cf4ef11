"""A model server in a process of its own, so that it can be killed: `python -m tests.e2e.model PORT_FILE ADDRESS`.

Open Inference Protocol. The score of a row is its first value, so an answer says whose it is; `generate_stream` sends
the caller's request id in every event. Queries: `wait`, seconds before the answer; `until`, a file that must be there
before the answer, or before a stream goes on after its first event; `events` and `every` of a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import parse_qsl

_KEPT = ("content-length", "x-request-id")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            line, *fields = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
            pairs = (field.partition(":") for field in fields)
            headers = {name.lower(): value.strip() for name, _, value in pairs if name.lower() in _KEPT}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path, _, query = line.split(" ")[1].partition("?")
            asked = dict(parse_qsl(query))
            if path.endswith("/generate_stream"):
                await _stream(writer, headers.get("x-request-id", ""), asked)
                continue
            if "wait" in asked:
                await asyncio.sleep(float(asked["wait"]))
            await _held(asked)
            status, answer = _answer(path, body)
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(answer), answer)
            )
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _held(asked: dict[str, str]) -> None:
    while "until" in asked and not Path(asked["until"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.005)


def _answer(path: str, body: bytes) -> tuple[int, bytes]:
    name = path.split("/")[3] if path.startswith("/v2/models/") else ""
    if path.endswith("/infer"):
        tensor = json.loads(body)["inputs"][0]
        rows, width = [*tensor["shape"], 1][:2]
        firsts = [tensor["data"][row * width] for row in range(rows)]
        scores = [value if isinstance(value, int | float) and 0 <= value <= 1 else 0.75 for value in firsts]
        output = {"name": "score", "shape": [rows], "datatype": "FP64", "data": scores}
        return 200, json.dumps({"model_name": name, "model_version": "1", "outputs": [output]}).encode()
    if path.endswith(("/ready", "/live")):
        return 200, b""
    if name:
        return 200, json.dumps({"name": name, "versions": ["1"], "platform": "x"}).encode()
    return 404, b'{"error": "not found"}'


async def _stream(writer: asyncio.StreamWriter, request_id: str, asked: dict[str, str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(int(asked.get("events", 3))):
        event = f"data: {request_id} {number}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(float(asked.get("every", 0.002)))
        await _held(asked)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def main(port_file: Path, address: str, certificate: str, key: str) -> None:
    """Serve until killed. The port is in PORT_FILE once it is open."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    if address.startswith("unix:"):
        server = await asyncio.start_unix_server(serve, address.removeprefix("unix:"), ssl=context)
        port = 0
    else:
        host, _, port_text = address.rpartition(":")
        listener = socket.create_server((host, int(port_text)), backlog=512)
        port = listener.getsockname()[1]
        server = await asyncio.start_server(serve, sock=listener, ssl=context)
    partial = port_file.with_suffix(".part")
    partial.write_text(str(port))
    partial.rename(port_file)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    file, where, *pair = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(file), where, *(pair or ["", ""])))
