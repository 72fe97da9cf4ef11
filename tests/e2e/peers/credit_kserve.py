"""KServe's own server with one model, under TensorFlow Serving's protocol: `python credit_kserve.py --http_port N`."""

from __future__ import annotations

from typing import Any

from kserve import Model, ModelServer


class Credit(Model):
    """Older is safer."""

    def load(self) -> bool:
        self.ready = True
        return self.ready

    def predict(self, payload: dict[str, Any], headers: Any = None, response_headers: Any = None) -> dict[str, Any]:
        return {"predictions": [min(row["age"] / 100, 1.0) for row in payload["instances"]]}


if __name__ == "__main__":
    credit = Credit("credit")
    credit.load()
    ModelServer(enable_grpc=False).start([credit])
