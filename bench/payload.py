"""The one conversation of the benchmark: a request of 1.5 KB with one row of 20 features, an answer of 135 B."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final

MODEL: Final = "bench"
PATH: Final = f"/v2/models/{MODEL}/infer"
FEATURES: Final = tuple(f"feature_{number:02d}" for number in range(20))
FEATURE_MIN: Final = 0.0
FEATURE_MAX: Final = 1000.0
REQUEST_BYTES: Final = 1536

# Values with all the digits that measurements have: short ones would flatter every parser.
VALUES: Final = tuple((number * 37.918273645 + 3.14159265) * 1.00000001 % FEATURE_MAX for number in range(20))


def _filler(length: int) -> str:
    """Text without repetition, so that neither a parser's fast loop nor a checksum meets an easy body."""
    text = base64.b64encode(b"".join(hashlib.sha512(bytes([seed])).digest() for seed in range(32))).decode()
    return text[:length]


def request_body(values: tuple[float, ...]) -> bytes:
    """One [1, 20] matrix, filled up by a text in `parameters` (Open Inference Protocol v2: free for the caller)."""
    document = {
        "id": "01928c7e-8f3a-7cc1-9a55-3b2f6d0e4c11",
        "parameters": {"context": ""},
        "inputs": [{"name": "input-0", "shape": [1, len(values)], "datatype": "FP64", "data": list(values)}],
    }
    document["parameters"] = {"context": _filler(REQUEST_BYTES - len(json.dumps(document)))}
    return json.dumps(document).encode()


REQUEST: Final = request_body(VALUES)
BAD_REQUEST: Final = request_body((FEATURE_MAX * 2, *VALUES[1:]))  # feature_00 out of its range

ANSWER: Final = json.dumps(
    {
        "model_name": MODEL,
        "model_version": "1",
        "id": "01928c7e-8f3a",
        "outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [0.5]}],
    },
    separators=(",", ":"),
).encode()
