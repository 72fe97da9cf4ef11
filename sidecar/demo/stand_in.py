"""A small model server over the Open Inference Protocol, for machines without MLServer.

    python -m sidecar.demo.stand_in PORT [candidate]

It serves the same two models, or the candidate, with the coefficients scikit-learn found for them, and
answers as MLServer 1.7 does: a well-formed request with any numbers, a 500 for a matrix of the wrong width.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, TypeAlias

# LogisticRegression(max_iter=500) on load_iris(): one row a class, then the intercepts.
_IRIS: Final = ((-0.42, 0.967, -2.519, -1.085), (0.532, -0.315, -0.204, -0.943), (-0.112, -0.652, 2.723, 2.027))
_IRIS_INTERCEPTS: Final = (9.842, 2.225, -12.066)
# Ridge() on standardised load_diabetes(scaled=False), folded back to the raw units.
_DIABETES: Final = (
    -0.032929, -22.712929, 5.613089, 1.11276, -0.87039, 0.548186, 0.11317, 5.83489, 62.943265, 0.284446,
)  # fmt: skip
_DIABETES_INTERCEPT: Final = -312.432464
# The candidate: Ridge(alpha=30) on half of the patients (train.py), folded back in the same way.
_CANDIDATE: Final = (
    -0.070866, -23.415326, 3.821106, 1.193822, -0.038767, -0.044892, -0.881478, 1.350822, 45.3706, -0.001516,
)  # fmt: skip
_CANDIDATE_INTERCEPT: Final = -184.750931


def iris(row: list[float]) -> int:
    """The most likely class: 0 setosa, 1 versicolor, 2 virginica."""
    scores = [_dot(weights, row) + bias for weights, bias in zip(_IRIS, _IRIS_INTERCEPTS, strict=True)]
    return scores.index(max(scores))


def diabetes(row: list[float]) -> float:
    """Progression within a year."""
    return _dot(_DIABETES, row) + _DIABETES_INTERCEPT


def candidate(row: list[float]) -> float:
    """The same by the model that may come next."""
    return _dot(_CANDIDATE, row) + _CANDIDATE_INTERCEPT


def _dot(weights: tuple[float, ...], row: list[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, row, strict=True))


Models: TypeAlias = Mapping[str, tuple[str, str, Callable[[list[float]], float]]]

MODELS: Final[Models] = {"iris": ("1", "INT64", iris), "diabetes": ("3", "FP64", diabetes)}
CANDIDATE: Final[Models] = {"diabetes": ("4", "FP64", candidate)}


def answer(model: str, request: dict[str, Any], models: Models = MODELS) -> dict[str, Any]:
    """The answer of one model to a decoded request. KeyError, ValueError or TypeError for what it cannot use."""
    version, datatype, predict = models[model]
    tensor = request["inputs"][0]
    count, width = tensor["shape"]
    flat = [float(value) for value in tensor["data"]]
    predictions = [predict(flat[start : start + width]) for start in range(0, count * width, width)]
    output = {"name": "predict", "shape": [count, 1], "datatype": datatype, "data": predictions}
    return {"model_name": model, "model_version": version, "id": request.get("id", ""), "outputs": [output]}


class Handler(BaseHTTPRequestHandler):
    """The five routes the demo needs."""

    models: ClassVar[Models] = MODELS
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # head and body in one packet: two would wait 40 ms for each other (RFC 896)

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if self.path in ("/v2/health/live", "/v2/health/ready"):
            self._send(200, {})
        elif parts[:2] == ["v2", "models"] and parts[2] in self.models:
            self._send(200, {"name": parts[2], "versions": [], "platform": "", "inputs": [], "outputs": []})
        else:
            self._send(404, {"error": f"{self.path} not found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        parts = self.path.strip("/").split("/")
        if parts[:2] != ["v2", "models"] or parts[-1] != "infer" or parts[2] not in self.models:
            self._send(404, {"error": f"Model {parts[2] if len(parts) > 2 else ''} not found"})
            return
        try:
            self._send(200, answer(parts[2], json.loads(body), self.models))
        except (KeyError, ValueError, TypeError):
            self._send(500, {"error": "Internal Server Error"})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing: the demo shows each request itself."""


class CandidateHandler(Handler):
    """The same for the candidate."""

    models = CANDIDATE


if __name__ == "__main__":
    chosen = CandidateHandler if "candidate" in sys.argv[2:] else Handler
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), chosen).serve_forever()
