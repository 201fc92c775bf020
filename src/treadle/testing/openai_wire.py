"""The OpenAI chat protocol as bytes, for `ScriptedOpenAIServer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treadle.core.chat import ToolCall
from treadle.core.json_value import compact_json
from treadle.testing.script import ToolCalls, pieces, tokens

DONE = b"data: [DONE]\n\n"


def event(document: object) -> bytes:
    """`document` as one server-sent event; a text is sent as it is."""
    data = document if isinstance(document, str) else compact_json(document)
    return f"data: {data}\n\n".encode()


def usage_of(content: ToolCalls, body: Mapping[str, object]) -> dict[str, object]:
    """The usage object for a reply to the request `body`."""
    written = content.text + "".join(call.name + call.arguments for call in content.calls)
    prompt = tokens(compact_json(body.get("messages", [])))
    completion = tokens(written)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def chunk_event(model: str, delta: Mapping[str, object], finish: str | None = None) -> bytes:
    """One chunk of a streamed reply."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return event({**_frame(model, "chat.completion.chunk"), "choices": [choice]})


def reply_events(
    model: str, content: ToolCalls, body: Mapping[str, object], chunk: int
) -> Iterator[bytes]:
    """The events of a streamed reply, `chunk` characters each."""
    yield chunk_event(model, {"role": "assistant", "content": ""})
    yield from text_events(model, content.text, chunk)
    for index, call in enumerate(content.calls):
        head = {"index": index, **_tool_call(call, arguments="")}
        yield chunk_event(model, {"tool_calls": [head]})
        for piece in pieces(call.arguments, chunk):
            part = {"index": index, "function": {"arguments": piece}}
            yield chunk_event(model, {"tool_calls": [part]})
    yield chunk_event(model, {}, _finish_reason(content))
    options = body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage"):
        frame = _frame(model, "chat.completion.chunk")
        yield event({**frame, "choices": [], "usage": usage_of(content, body)})
    yield DONE


def text_events(model: str, text: str, chunk: int) -> Iterator[bytes]:
    """The events that carry `text`."""
    for piece in pieces(text, chunk):
        yield chunk_event(model, {"content": piece})


def completion(model: str, content: ToolCalls, body: Mapping[str, object]) -> dict[str, object]:
    """A reply that is not streamed."""
    message: dict[str, object] = {"role": "assistant", "content": content.text}
    if content.calls:
        message["tool_calls"] = [_tool_call(call, call.arguments) for call in content.calls]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(content)}
    return {
        **_frame(model, "chat.completion"),
        "choices": [choice],
        "usage": usage_of(content, body),
    }


def embeddings(body: Mapping[str, object]) -> dict[str, object]:
    """The answer to `POST /v1/embeddings`: a vector by `HashingEmbedder` for each text."""
    from treadle.memory.embedders.hashing import HashingEmbedder

    given, wanted = body.get("input"), body.get("dimensions")
    texts = [given] if isinstance(given, str) else given
    texts = [str(each) for each in texts] if isinstance(texts, list) else []
    embedder = HashingEmbedder(wanted if isinstance(wanted, int) else 32)
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(embedder.embed(texts))
    ]
    usage = {"prompt_tokens": sum(map(tokens, texts)), "total_tokens": sum(map(tokens, texts))}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def model_list(models: tuple[str, ...]) -> dict[str, object]:
    """The answer to `GET /v1/models`."""
    entries = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in models]
    return {"object": "list", "data": entries}


def _frame(model: str, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": model}


def _tool_call(call: ToolCall, arguments: str) -> dict[str, object]:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _finish_reason(content: ToolCalls) -> str:
    return "tool_calls" if content.calls else "stop"
