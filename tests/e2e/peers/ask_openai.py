"""OpenAI's own client, asked by lines of JSON: `python ask_openai.py BASE_URL < calls > answers`.

A call is {"call": "chat.completions", "with": {…}}; an answer is what the client returns, or the error it raises.
"""

from __future__ import annotations

import json
import sys
from operator import attrgetter
from typing import Any

import openai


def ask(client: openai.OpenAI, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """One answer."""
    resource = attrgetter(call)(client)
    try:
        if arguments.get("stream"):
            stream = resource.create(**arguments)
            pieces = [chunk.model_dump(mode="json") for chunk in stream]
            return {"pieces": pieces, "headers": dict(stream.response.headers)}
        raw = resource.with_raw_response.create(**arguments)
        return {"answer": raw.parse().model_dump(mode="json"), "headers": dict(raw.headers)}
    except openai.APIStatusError as error:
        told = {"raised": type(error).__name__, "status": error.status_code, "message": error.message}
        stated = {"code": error.code, "param": error.param, "type": error.type, "body": error.body}
        return {**told, **stated, "headers": dict(error.response.headers)}


if __name__ == "__main__":
    one = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0, timeout=20)
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(ask(one, asked["call"], asked["with"])) + "\n")
