"""Where an OpenAI answer has what policies ask about, whichever route gave it, and answers made of fallback values.

| prediction | chat completion | completion | response | embedding list |
| --- | --- | --- | --- | --- |
| `content` | `/choices/0/message/content` | `/choices/0/text` | the one `output_text` | |
| `finish_reason` | `/choices/0/finish_reason` | the same | `/status` | |
| `embedding` | | | | `/data/0/embedding` |
| `prompt_tokens`, `completion_tokens`, `total_tokens` | `/usage/…` | the same | `input_tokens`, `output_tokens` | `/usage/…` |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from ..errors import WireError, WireFault
from ..rows import Value
from .document import Document, encode, shown
from .row_table import Path, follow

BUILT_IN: Final = ("content", "finish_reason", "embedding", "prompt_tokens", "completion_tokens", "total_tokens")
_OF_EACH_CHOICE: Final = frozenset({"content", "finish_reason", "embedding"})
_USAGE: Final = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_ID: Final = "fallback"


def place_of(name: str, answer: Mapping[str, Document]) -> Path:
    """The path of a built-in prediction. WireError UNSUPPORTED where an answer has several of what is one here."""
    if name not in _OF_EACH_CHOICE:
        other = _USAGE.get(name, name)
        return ("usage", other if other in _object(answer.get("usage")) else name)
    if "choices" not in answer and type(answer.get("output")) is list:
        return _in_response(name, answer["output"])
    listed = "data" if name == "embedding" else "choices"
    items = answer.get(listed)
    if type(items) is list and len(items) > 1:
        raise _several(name, (listed, 1))
    if name != "content":
        return (listed, 0, name)
    choice = _object(follow(answer, ("choices", 0)))
    return ("choices", 0, "text") if "message" not in choice and "text" in choice else ("choices", 0, "message", name)


def _in_response(name: str, output: list[Any]) -> Path:
    """The Responses API lists items (reasoning, tool calls, messages), and a message lists parts."""
    if name != "content":
        return ("status",)
    found = [
        ("output", at, "content", part, "text")
        for at, item in enumerate(output)
        for part, piece in enumerate(_list(_object(item).get("content")))
        if _object(piece).get("type") == "output_text"
    ]
    if len(found) > 1:
        raise _several(name, found[1])
    return found[0] if found else ("output", len(output), "content")


def _several(name: str, path: Path) -> WireError:
    message = f"the answer has several of `{name}` and one is looked into: bound `n`, or send one input at a time"
    return WireError(WireFault.UNSUPPORTED, message, pointer=shown(path))


def _object(value: Document) -> Mapping[str, Document]:
    return value if type(value) is dict else {}


def _list(value: Document) -> list[Document]:
    return value if type(value) is list else []


def put(document: Any, path: Path, value: Value) -> None:
    """`value` at `path`, with objects and lists made on the way. ValueError where a list would have a gap."""
    for token, following in pairwise(path):
        document = _child(document, token, [] if str(following).isdigit() else {})
    _child(document, path[-1], value, instead=True)


def _child(node: Any, token: str | int, new: Any, *, instead: bool = False) -> Any:
    if type(node) is dict:
        if instead:
            node[str(token)] = new
        return node.setdefault(str(token), new)
    if type(node) is not list or not str(token).isdigit() or int(token) > len(node):
        raise ValueError(f"there is no place for `{token}`")
    if int(token) == len(node):
        node.append(new)
    elif instead:
        node[int(token)] = new
    return node[int(token)]


# -- answers of our own


def fallback(
    asked: Mapping[str, Document], values: Mapping[str, Value], places: Mapping[str, Path], model: str
) -> bytes:
    """An answer in the form that `asked` has. `places`: prediction → its pointer's path, for those that have one.

    WireError UNSUPPORTED where no well-formed answer can be made of the values.
    """
    streamed = asked.get("stream") is True
    if "messages" in asked or not {"prompt", "input"} & asked.keys():
        answer = _chat(values, model)
    elif "prompt" in asked:
        answer = _completion(values, model)
    elif "embedding" in values:
        answer = _embedding(values, model)
    elif streamed:
        raise WireError(WireFault.UNSUPPORTED, "no fallback can be made for a streamed response")
    else:
        answer = _response(values, model)
    try:
        for name, value in values.items():
            put(answer, places.get(name) or place_of(name, answer), value)
    except ValueError as error:
        raise WireError(WireFault.UNSUPPORTED, f"no fallback can be made: {error}") from None
    return b"".join(_events(answer)) if streamed else encode(answer)


def _of_content(values: Mapping[str, Value]) -> Value:
    """Of an answer without text only tests of a policy ask: `check` wants one in a fallback."""
    if "content" not in values and "embedding" in values:
        raise WireError(WireFault.UNSUPPORTED, "an answer in words needs the value of `content`")
    return values.get("content", "")


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": _ID, "object": kind, "created": 0, "model": model}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _chat(values: Mapping[str, Value], model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": _of_content(values), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_head("chat.completion", model), "choices": [choice], "usage": _usage()}


def _completion(values: Mapping[str, Value], model: str) -> dict[str, Any]:
    choice = {"index": 0, "text": _of_content(values), "logprobs": None, "finish_reason": "stop"}
    return {**_head("text_completion", model), "choices": [choice], "usage": _usage()}


def _embedding(values: Mapping[str, Value], model: str) -> dict[str, Any]:
    item = {"object": "embedding", "index": 0, "embedding": values["embedding"]}
    return {"object": "list", "data": [item], "model": model, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def _response(values: Mapping[str, Value], model: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": _of_content(values), "annotations": []}
    message = {"id": _ID, "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": _ID,
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "completed",
        "output": [message],
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
    }


def _events(answer: dict[str, Any]) -> Iterator[bytes]:
    """The same as a stream of one piece: server-sent events that end in `[DONE]`."""
    (choice,) = answer["choices"]
    chat = "message" in choice
    head = _head("chat.completion.chunk" if chat else "text_completion", answer["model"])
    last = {"index": 0, "finish_reason": choice["finish_reason"]}
    piece: dict[str, Any] = {"index": 0, "finish_reason": None}
    if chat:
        piece["delta"], last["delta"] = {"role": "assistant", "content": choice["message"]["content"]}, {}
    else:
        piece["text"], last["text"] = choice["text"], ""
    for each in (piece, last):
        yield b"data: " + encode({**head, "choices": [each]}) + b"\n\n"
    yield b"data: [DONE]\n\n"
