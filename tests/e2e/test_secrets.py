"""What callers send in confidence stays where it belongs: in the model's request and the journal's payloads, alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.journal import Reader

from .processes import Model, Sidecar, sidecar_command

CANARY = "canary7f3a9"
NUMBER = 31415926535
INFER = "/v2/models/credit/infer"

POLICY = """policy: credit
version: 1.0.0
owner: {{team: risk, contact: "#risk"}}
model: {{protocol: oip, name: credit}}
contract:
  mode: {mode}
  errors: {errors}
  unknown_features: reject
  features:
    age: {{type: int, min: 0, max: 120}}
    name: {{type: string, max_length: 40, pattern: "[a-z]{{2,9}}", pii: true}}
    job: {{type: category, values: [a, b], on_violation: {{replace: a}}}}
"""


def tensors(age: Any, name: Any, job: Any = "a") -> bytes:
    columns = (("age", "INT64", age), ("name", "BYTES", name), ("job", "BYTES", job))
    inputs = [{"name": column, "shape": [1], "datatype": kind, "data": [value]} for column, kind, value in columns]
    return json.dumps({"inputs": inputs}).encode()


BODIES = {
    "clean, and its header secret": (tensors(40, "ann"), ()),
    "pattern": (tensors(40, CANARY), ()),
    "range": (tensors(NUMBER, "ann"), ()),
    "repaired category": (tensors(40, "ann", CANARY), ()),
    "wrong type": (tensors(CANARY, "ann"), ()),
    "too long": (tensors(40, CANARY * 9), ()),
    "unknown tensor": (
        tensors(40, "ann").replace(b"]}]}", b']}, {"name": "x", "shape": [1], "datatype": "BYTES", "data": ["%b"]}]}'
                           % CANARY.encode()),
        (),
    ),
    "not JSON": (b'{"inputs": "%b' % CANARY.encode(), ()),
    "not UTF-8": (b'{"inputs": "\xff%b"}' % CANARY.encode(), ()),
    "no number": (b'{"inputs": [%b]}' % CANARY.encode(), ()),
    "duplicate key": (b'{"inputs": [], "id": "%b", "id": "%b"}' % (CANARY.encode(), CANARY.encode()), ()),
    "wrong coding": (CANARY.encode(), ("content-encoding", "gzip")),
    "unknown coding": (CANARY.encode(), ("content-encoding", "zstd")),
    "wrong shape": (
        b'{"inputs": [{"name": "age", "shape": [1, 5], "datatype": "BYTES", "data": ["%b"]}]}' % CANARY.encode(),
        (),
    ),
}  # fmt: skip

SECRET_HEADERS = {
    "content-type": "application/json",
    "authorization": f"Bearer {CANARY}",
    "proxy-authorization": f"Basic {CANARY}",
    "cookie": f"session={CANARY}",
    "x-api-key": CANARY,
}


def leaks(text: str | bytes) -> bool:
    data = text if isinstance(text, bytes) else text.encode()
    return CANARY.encode() in data or str(NUMBER).encode() in data


@pytest.mark.parametrize(("mode", "errors"), [("enforce", "codes"), ("enforce", "full"), ("observe", "codes")])
def test_canaries_are_nowhere_but_in_payloads(tmp_path: Path, mode: str, errors: str) -> None:
    policy, token = tmp_path / "policy.yaml", tmp_path / "token"
    policy.write_text(POLICY.format(mode=mode, errors=errors))
    token.write_text("a-feedback-token-that-is-long-enough")
    token.chmod(0o600)
    careless = ("/bin/sh", "-c", 'umask 000; exec "$@"', "sh")
    with Model(tmp_path / "model") as model:
        flags = ("--upstream", model.url, "--policy", str(policy), "--feedback-token-file", str(token))
        with Sidecar(tmp_path / "sidecar", *flags, prefix=careless) as sidecar:
            sidecar.until_ready()
            seen: dict[str, int] = {}
            with httpx.Client(base_url=sidecar.url, timeout=60) as client:
                for what, (body, extra) in BODIES.items():
                    headers = SECRET_HEADERS | ({extra[0]: extra[1]} if extra else {})
                    for accept in ("*/*", "application/problem+json"):
                        answer = client.post(INFER, content=body, headers=headers | {"accept": accept})
                        seen[what] = answer.status_code
                        # the model's own answer is the model's own; ours never repeats a value
                        if answer.status_code != 200:
                            assert not leaks(answer.content), (what, answer.text)
                        assert not leaks(json.dumps(dict(answer.headers))), what
                feedback = {"request_id": "r", "label": CANARY}
                refused = client.post(
                    "/_sidecar/feedback", json=feedback, headers={"authorization": f"Bearer {CANARY}"}
                )
                assert refused.status_code == 401
                assert not leaks(refused.content)
                bad = client.post(
                    "/_sidecar/feedback",
                    content=b'{"label": "%b"}' % CANARY.encode(),
                    headers={"authorization": "Bearer a-feedback-token-that-is-long-enough"},
                )
                assert not leaks(bad.content)
                model.kill()
                gone = client.post(INFER, content=tensors(40, "ann"), headers=SECRET_HEADERS)
                assert gone.status_code == 503
                assert not leaks(gone.content)
            if mode == "enforce":
                assert seen["clean, and its header secret"] == seen["repaired category"] == 200
                refusals = {what: status for what, status in seen.items() if what[:5] not in ("clean", "repai")}
                assert all(status in (400, 415, 422) for status in refusals.values()), refusals
            for page in ("metrics", "readyz", "healthz"):
                assert not leaks(httpx.get(f"{sidecar.health}/{page}", timeout=60).content), page
            told = sidecar_command("status", "--data", str(sidecar.data))
            assert not leaks(told.stdout + told.stderr)
            assert sidecar.stop() == 0
        assert not leaks(sidecar.said())
    check_journal(sidecar)
    check_modes(sidecar.data)


def check_journal(sidecar: Sidecar) -> None:
    reads = list(Reader(sidecar.journal).read())
    assert len(reads) > 2 * len(BODIES)
    for read in reads:
        assert not leaks(read.meta), read.record
    assert any(leaks(payload) for read in reads for payload in read.payloads), "payloads keep what was sent"
    headers = b"".join(payload for read in reads for payload in read.payloads)
    assert b"Bearer" not in headers
    listed = sidecar_command("log", "cat", "--data", str(sidecar.data))
    assert listed.returncode == 0
    assert not leaks(listed.stdout + listed.stderr)


def check_modes(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"


@pytest.mark.parametrize("where", ["flag", "policy", "platform"])
def test_password_in_an_upstream_is_refused_and_not_repeated(tmp_path: Path, where: str) -> None:
    url = f"http://user:{CANARY}@127.0.0.1:1"
    flags = ["--upstream", url if where == "flag" else "http://127.0.0.1:1"]
    if where == "policy":
        (tmp_path / "p.yaml").write_text(f"policy: p\nmodel: {{protocol: oip, name: m, upstream: '{url}'}}\n")
        flags = ["--policy", str(tmp_path / "p.yaml")]
    if where == "platform":
        (tmp_path / "s.yaml").write_text(f"api: v1\nupstream: {{url: '{url}'}}\n")
        flags = ["--config", str(tmp_path / "s.yaml")]
    with Sidecar(tmp_path, *flags) as sidecar:
        assert sidecar.ended() == 2
    assert "password" in sidecar.said() or "credentials" in sidecar.said()
    assert not leaks(sidecar.said())
