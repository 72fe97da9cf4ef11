"""The contract as a mitmproxy add-on."""

from __future__ import annotations

from mitmproxy import http
from pydantic import ValidationError

from bench.peers.contract import Answer, Request


class Contract:
    """Refuses a bad request with 422 and a bad answer with 502."""

    def request(self, flow: http.HTTPFlow) -> None:
        try:
            Request.model_validate_json(flow.request.content or b"")
        except ValidationError as error:
            flow.response = http.Response.make(422, f'{{"error": "{error.error_count()} violations"}}')

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response is None or flow.response.status_code != 200:
            return
        try:
            Answer.model_validate_json(flow.response.content or b"")
        except ValidationError:
            flow.response = http.Response.make(502, '{"error": "the model\'s answer breaks the contract"}')


addons = [Contract()]
