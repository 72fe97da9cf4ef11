"""Other ways in and out: TLS on both sides, a model server behind a UNIX socket, IPv6."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from .books import Books
from .load import INFER, row
from .processes import BENCH_POLICY, Model, Sidecar, eventually

JSON = {"content-type": "application/json"}


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=model"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    return cert, key


def test_tls_in_and_out(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with Model(tmp_path / "model", certificate=str(cert), key=str(key)) as model:
        flags = ["--upstream", f"https://127.0.0.1:{model.port}", "--policy", str(BENCH_POLICY)]
        serving = ["--tls-cert", str(cert), "--tls-key", str(key)]
        with Sidecar(tmp_path / "one", *flags, *serving, environ={"SSL_CERT_FILE": str(cert)}) as sidecar:
            sidecar.until_ready()
            trusting = ssl.create_default_context(cafile=str(cert))
            with httpx.Client(
                verify=trusting, base_url=f"https://127.0.0.1:{sidecar.port}", headers=JSON, timeout=60
            ) as client:
                for _ in range(3):
                    assert client.post(INFER, content=row(0.25)).json()["outputs"][0]["data"] == [0.25]
                assert client.post(INFER, content=row(-1)).status_code == 422
                stream = client.post("/v2/models/bench/generate_stream?events=5", content=row(0.5))
                assert stream.text.count("data:") == 5
            with pytest.raises(httpx.TransportError):
                httpx.post(
                    f"https://127.0.0.1:{sidecar.port}{INFER}", content=row(0.5), timeout=60
                )  # trusts nobody unknown
            with socket.create_connection(("127.0.0.1", sidecar.port), timeout=10) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"HTTP/1.1" not in plain.recv(1000), "no plain text on a TLS port"
            assert "Traceback" not in sidecar.said()
            assert sidecar.stop() == 0
        assert len(Books(sidecar.journal).read().exchanges) == 5
        with Sidecar(tmp_path / "distrustful", *flags) as sidecar:
            eventually(lambda: any("certificate" in reason for reason in sidecar.readyz()[1]["reasons"]))
            refused = httpx.post(sidecar.url + INFER, content=row(0.5), headers=JSON, timeout=60)
            assert refused.status_code == 503
            assert "certificate" not in refused.text
            assert "Traceback" not in sidecar.said()


def test_model_server_behind_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    with (
        Model(tmp_path / "model", address=f"unix:{path}") as model,
        Sidecar(tmp_path, "--upstream", f"unix:{path}", "--policy", str(BENCH_POLICY)) as sidecar,
    ):
        sidecar.until_ready()
        for _ in range(3):
            answer = httpx.post(sidecar.url + INFER, content=row(0.25), headers=JSON, timeout=60)
            assert answer.json()["outputs"][0]["data"] == [0.25]
        model.kill()
        path.unlink()
        assert httpx.post(sidecar.url + INFER, content=row(0.25), headers=JSON, timeout=60).status_code == 503
        model.again()
        assert eventually(
            lambda: httpx.post(sidecar.url + INFER, content=row(0.25), headers=JSON, timeout=60).status_code == 200
        )
        assert "Traceback" not in sidecar.said()


def test_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    with (
        Model(tmp_path / "model") as model,
        Sidecar(
            tmp_path,
            "--upstream",
            model.url,
            "--policy",
            str(BENCH_POLICY),
            "--listen",
            "[::1]:0",
            "--health",
            "[::1]:0",
        ) as sidecar,
    ):
        assert sidecar.url.startswith("http://[::1]:")
        sidecar.until_ready()
        answer = httpx.post(sidecar.url + INFER, content=row(0.25), headers=JSON | {"x-request-id": "six"}, timeout=60)
        assert answer.json()["outputs"][0]["data"] == [0.25]
        assert sidecar.stop() == 0
    (exchange,) = Books(sidecar.journal).read().exchanges["six"]
    assert exchange.client_address == "::1"
