"""Embeddings over HTTP, from a server that does what servers do."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from treadle.core.errors import ModelError
from treadle.memory.embedders.endpoint import EndpointEmbedder
from treadle.memory.embedders.named_embedder import NamedEmbedder
from treadle.testing import Fault, HashingEmbedder, ScriptedOpenAIServer


@contextmanager
def at(
    url: str, dimensions: int | None = None, timeout: float = 10.0
) -> Iterator[EndpointEmbedder]:
    embedder = EndpointEmbedder(
        "m", url, "key", dimensions=dimensions, timeout=timeout, first_wait=0.01
    )
    yield embedder
    embedder.close()


def refused(url: str, timeout: float = 10.0) -> ModelError:
    """What it raises for one text."""
    with at(url, timeout=timeout) as embedder, pytest.raises(ModelError) as caught:
        NamedEmbedder(embedder, "m").vectors_now(["a"])
    return caught.value


def reply(*vectors: object) -> dict[str, object]:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return {"object": "list", "model": "m", "data": data}


def test_texts_go_in_batches_and_come_back_in_order() -> None:
    texts = [f"text {number}" for number in range(130)]
    with (
        ScriptedOpenAIServer(lambda request: "", api_key="key") as server,
        at(server.base_url) as embedder,
    ):
        vectors = embedder.embed(texts)
    assert [len(each.body["input"]) for each in server.requests] == [64, 64, 2]  # type: ignore[arg-type]
    assert vectors[129] == pytest.approx(HashingEmbedder(32).embed(["text 129"])[0])


def test_the_index_decides_on_the_order() -> None:
    swapped = reply([1.0, 0.0], [0.0, 1.0])
    data = swapped["data"]
    assert isinstance(data, list)
    swapped["data"] = data[::-1]
    with ScriptedOpenAIServer([swapped]) as server, at(server.base_url) as embedder:
        assert embedder.embed(["a", "b"]) == [[1.0, 0.0], [0.0, 1.0]]


def test_dimensions_are_asked_for_and_checked() -> None:
    replies = ["", reply([1.0] * 32)]
    with ScriptedOpenAIServer(replies) as server, at(server.base_url, 8) as inner:
        embedder = NamedEmbedder(inner, "m", 8)
        assert embedder.vectors_now(["a"]).model == "m/8"
        with pytest.raises(ModelError, match="32 numbers where 8"):
            embedder.vectors_now(["a"])
    assert server.requests[0].body["dimensions"] == 8


def test_what_may_pass_is_tried_again() -> None:
    faults = [Fault.status(503), Fault.status(429, headers={"Retry-After": "0.01"}), ""]
    with ScriptedOpenAIServer(faults) as server, at(server.base_url) as embedder:
        assert len(embedder.embed(["a"])[0]) == 32
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("said", "code", "asked"),
    [
        (Fault.status(500), "model_server_error", 4),
        (Fault.status(401), "model_bad_key", 1),
        (Fault.status(404), "model_not_found", 1),
        (Fault.status(400), "model_bad_request", 1),
        (Fault.status(413), "model_context_overflow", 1),
        (Fault.status(301, headers={"Location": "http://127.0.0.1:1/"}), "model_bad_request", 1),
        (Fault.wrong_content_type(), "model_malformed_reply", 1),
        (Fault.raw(b'{"data": [', "application/json"), "model_malformed_reply", 1),
        (
            Fault.raw(b'{"data": [{"index": 0, "embedding": [NaN]}]}', "application/json"),
            "bad_embedding",
            1,
        ),
        (Fault.raw(b"[" * 100_000, "application/json"), "model_malformed_reply", 1),
        (reply(), "bad_embedding", 1),
        (reply([1.0], [1.0]), "bad_embedding", 1),
        (reply("AAAA"), "model_malformed_reply", 1),
        (reply(None), "model_malformed_reply", 1),
        ({"data": 7}, "model_malformed_reply", 1),
        ({}, "model_malformed_reply", 1),
    ],
)
def test_everything_else_has_a_code(said: object, code: str, asked: int) -> None:
    with ScriptedOpenAIServer(lambda request: said) as server:  # type: ignore[arg-type, return-value]
        error = refused(server.base_url)
    assert error.code == code
    assert len(server.requests) == asked


def test_the_key_shows_up_nowhere() -> None:
    fault = Fault.status(400, {"error": {"message": "no: Bearer key"}})
    with ScriptedOpenAIServer([fault]) as server:
        assert "Bearer ***" in refused(server.base_url).message


def test_a_reply_without_an_end_is_given_up() -> None:
    with ScriptedOpenAIServer(lambda request: Fault.endless("x" * 1_000_000)) as server:
        assert refused(server.base_url).code == "model_malformed_reply"


def test_silence_has_a_deadline() -> None:
    with ScriptedOpenAIServer(lambda request: Fault.silence()) as server:
        assert refused(server.base_url, timeout=0.05).code == "model_timeout"


def test_nobody_there() -> None:
    with ScriptedOpenAIServer() as server:
        url = server.base_url
    assert refused(url).code == "model_unreachable"


def test_long_texts_are_cut_between_characters() -> None:
    with ScriptedOpenAIServer([""]) as server, at(server.base_url) as embedder:
        embedder.embed(["東" * 20_000])
    (sent,) = server.requests[0].body["input"]  # type: ignore[misc]
    assert sent == "東" * (16_000 // 3)
