"""Which model is chosen, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from treadle.core.chat import ChatModel
from treadle.core.errors import ConfigError
from treadle.core.settings import Settings, load_settings
from treadle.serving import ModelChoice, OpenAIModel, choose_model, resolve_model
from treadle.serving.addresses import api_url, ollama_url
from treadle.testing import ScriptedModel


def configured(**environment: str) -> Settings:
    return load_settings(environment, Path("/nonexistent/config.toml"))


def http_model(spec: str | None, **environment: str) -> OpenAIModel:
    model = resolve_model(spec, configured(**environment))
    assert isinstance(model, OpenAIModel)
    return model


@pytest.mark.parametrize(
    ("spec", "environment", "name", "url", "backend"),
    [
        (
            "openai:gpt-5",
            {"OPENAI_API_KEY": "k"},
            "openai:gpt-5",
            "https://api.openai.com/v1",
            "openai",
        ),
        (
            "openai:x",
            {"OPENAI_BASE_URL": "http://gateway/v1/"},
            "openai:x",
            "http://gateway/v1",
            "compatible",
        ),
        ("vllm:http://gpu:8000", {}, "vllm:http://gpu:8000/v1", "http://gpu:8000/v1", "vllm"),
        ("vllm:http://gpu:8000/v1/#q", {}, "vllm:q", "http://gpu:8000/v1", "vllm"),
        ("sglang:http://gpu:30000#org/q:1", {}, "sglang:org/q:1", "http://gpu:30000/v1", "sglang"),
        ("dynamo:http://gpu:8000#q", {}, "dynamo:q", "http://gpu:8000/v1", "dynamo"),
        ("ollama:llama3:8b", {}, "ollama:llama3:8b", "http://localhost:11434/v1", "ollama"),
        ("ollama:q", {"OLLAMA_HOST": "0.0.0.0"}, "ollama:q", "http://127.0.0.1:11434/v1", "ollama"),
        ("https://host/api#m", {}, "compatible:m", "https://host/api", "compatible"),
        (" http://host:1/v1 ", {}, "compatible:http://host:1/v1", "http://host:1/v1", "compatible"),
    ],
)
def test_a_specification_names_a_server_and_a_model(
    spec: str, environment: Mapping[str, str], name: str, url: str, backend: str
) -> None:
    model = http_model(spec, **environment)
    assert (model.name, model.base_url, model.backend) == (name, url, backend)


@pytest.mark.parametrize(
    ("environment", "name", "source"),
    [
        (
            {"TREADLE_MODEL": "ollama:a", "OPENAI_API_KEY": "k"},
            "ollama:a",
            "environment variable TREADLE_MODEL",
        ),
        (
            {"TREADLE_BASE_URL": "http://h/v1", "OPENAI_API_KEY": "k"},
            "compatible:http://h/v1",
            "environment variable TREADLE_BASE_URL",
        ),
        (
            {"OPENAI_API_KEY": "k", "OLLAMA_HOST": "h"},
            "openai:gpt-5-mini",
            "environment variable OPENAI_API_KEY",
        ),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"},
            "openai:m",
            "environment variable OPENAI_API_KEY",
        ),
        (
            {"OPENAI_BASE_URL": "http://h/v1"},
            "openai:http://h/v1",
            "environment variable OPENAI_BASE_URL",
        ),
        ({"OLLAMA_HOST": "h", "OLLAMA_MODEL": "m"}, "ollama:m", "environment variable OLLAMA_HOST"),
    ],
)
def test_without_a_specification_the_surroundings_decide(
    environment: Mapping[str, str], name: str, source: str
) -> None:
    choice = choose_model(None, configured(**environment))
    assert (choice.model.name, choice.source) == (name, source)


def test_with_nothing_at_all_it_is_offline() -> None:
    from treadle.testing import OfflineModel

    choice = choose_model(None, configured())
    assert isinstance(choice.model, OfflineModel)
    assert choice.source == "nothing is configured"
    assert isinstance(resolve_model("offline", configured(OPENAI_API_KEY="k")), OfflineModel)


def test_a_model_is_itself() -> None:
    model: ChatModel = ScriptedModel()
    assert choose_model(model, configured()) == ModelChoice(model, "argument")


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "gpt-5",
        "openai:",
        "offlne",
        "off:line",
        "vllm:gpu:8000",
        "vllm:ftp://gpu",
        "vllm:http://",
        "http://host:99999/v1",
        "http://host/v1?key=x",
        "http://ho st/v1",
        "x" * 10_000,
    ],
)
def test_a_bad_specification_says_what_to_write(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_model(spec, configured(OPENAI_API_KEY="k"))
    assert caught.value.code == "bad_model"
    assert len(caught.value.message) < 400


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_model("vllm:http://me:hunter22@gpu:8000", configured())
    assert caught.value.code == "bad_model"
    assert "hunter22" not in str(caught.value)


def test_something_else_than_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="bad_model"):
        resolve_model(7, configured())  # type: ignore[arg-type]


def test_openai_without_a_key_says_what_to_set() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_model("openai:gpt-5", configured())
    assert caught.value.code == "model_key_missing"
    assert "OPENAI_API_KEY" in caught.value.message


def test_a_bad_configured_model_is_not_replaced_by_offline() -> None:
    with pytest.raises(ConfigError, match="bad_model"):
        resolve_model(None, configured(TREADLE_MODEL="nonsense"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://localhost:11434/v1"),
        ("box", "http://box:11434/v1"),
        ("box:1234", "http://box:1234/v1"),
        (":1234", "http://localhost:1234/v1"),
        ("http://box", "http://box:80/v1"),
        ("https://box/ollama", "https://box:443/ollama/v1"),
        ("[::1]:1234", "http://[::1]:1234/v1"),
        ("0.0.0.0:1", "http://127.0.0.1:1/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert ollama_url(host) == url


def test_api_url_adds_the_version_once() -> None:
    assert api_url("http://h", add_version=True) == "http://h/v1"
    assert api_url("http://h/v1/", add_version=True) == "http://h/v1"
    assert api_url("http://h/x") == "http://h/x"
