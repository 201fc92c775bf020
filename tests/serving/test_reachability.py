"""What `treadle doctor` learns about a model's server."""

from __future__ import annotations

import socket

from treadle.serving import OpenAIModel, probe
from treadle.testing import ScriptedModel, ScriptedOpenAIServer


async def test_a_server_lists_its_models() -> None:
    async with ScriptedOpenAIServer(models=("a", "b")) as server:
        model = OpenAIModel("test:a", model="a", base_url=server.base_url)
        found = await probe(model)
        await model.aclose()
        assert not server.requests
    assert (found.reachable, found.models, found.error) == (True, ("a", "b"), None)


async def test_a_wrong_key_is_told_apart() -> None:
    async with ScriptedOpenAIServer(api_key="right-key") as server:
        model = OpenAIModel("test:a", model="a", base_url=server.base_url, api_key="wrong-key")
        found = await probe(model)
        await model.aclose()
    assert not found.reachable
    assert found.error is not None
    assert found.error.code == "model_bad_key"
    assert "wrong-key" not in found.error.message


async def test_silence_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        model = OpenAIModel("test:a", model="a", base_url=url)
        found = await probe(model, timeout=0.2)
        await model.aclose()
    assert found.error is not None
    assert found.error.code == "model_timeout"


async def test_a_model_without_a_server_is_there() -> None:
    found = await probe(ScriptedModel(name="scripted:here"))
    assert (found.name, found.reachable, found.url) == ("scripted:here", True, None)
