"""A loader for files of one JSON object: a policy's facts, or what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from sidecar.runtime.messages import Finding, LoadRequest, LoadResult, PolicyFacts
from sidecar.supervisor.watch import files_of


def load(request: LoadRequest) -> LoadResult:
    findings: list[Finding] = []
    policies: list[PolicyFacts] = []
    for path in files_of(request.paths):
        try:
            document: dict[str, Any] = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            line, column = getattr(error, "lineno", 0), getattr(error, "colno", 0)
            findings.append(Finding(code="bad", message=str(error), file=str(path), line=line, column=column))
            continue
        text = json.dumps(document)
        known = {key: value for key, value in document.items() if key in PolicyFacts.__struct_fields__}
        digest = hashlib.sha256(text.encode()).hexdigest()
        policies.append(msgspec.convert({"digest": digest, "canonical": text, **known}, PolicyFacts))
    config: dict[str, Any] = json.loads(Path(request.config).read_text()) if request.config else {}
    return LoadResult(
        findings=tuple(findings),
        policies=None if findings else tuple(policies),
        platform=json.dumps(config.get("platform", {}), separators=(",", ":")),
        restart_key=config.get("restart_key", ""),
        upstream=request.upstream,
        environment=config.get("environment", ""),
        file_environment=config.get("environment", ""),
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(load(msgspec.json.decode(sys.stdin.buffer.read(), type=LoadRequest))))
