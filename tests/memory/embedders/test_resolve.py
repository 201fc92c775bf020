"""Which embedder a text means."""

from collections.abc import Sequence

import pytest

from treadle.core.errors import ConfigError
from treadle.core.settings import Settings
from treadle.memory.embedders import NamedEmbedder, resolve_embedder
from treadle.testing import HashingEmbedder, ScriptedOpenAIServer

EMPTY = Settings({}, {})


class Nameless:
    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[1.0] for _ in texts]


def test_none_is_none() -> None:
    assert resolve_embedder(None) is None
    assert resolve_embedder("none", EMPTY) is None


def test_objects_bring_their_name() -> None:
    named = NamedEmbedder(Nameless(), "mine")
    assert resolve_embedder(named) is named
    found = resolve_embedder(HashingEmbedder(8))
    assert found is not None
    assert found.name == "hashing-1"
    with pytest.raises(ConfigError, match="bad_embedder"):
        resolve_embedder(Nameless())


def test_hashing_and_endpoints_say_which_model_they_are() -> None:
    hashing = resolve_embedder("hashing", EMPTY)
    small = resolve_embedder(
        "openai:text-embedding-3-small@256", Settings({}, {"OPENAI_API_KEY": "k"})
    )
    other = resolve_embedder("http://127.0.0.1:9/v1#bge", EMPTY)
    assert hashing is not None
    assert small is not None
    assert other is not None
    assert (hashing.model, small.model) == ("hashing-1/384", "text-embedding-3-small/256")
    assert (other.name, other.model) == ("bge", None)


async def test_openai_means_the_configured_server() -> None:
    with ScriptedOpenAIServer(lambda request: "", api_key="k") as server:
        environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.base_url}
        embedder = resolve_embedder("openai:m", Settings({}, environment))
        assert embedder is not None
        assert (await embedder.vectors(["a"])).model == "m/32"
        embedder.close()


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("", "bad_embedder"),
        ("minilm", "bad_embedder"),
        ("http://host/v1", "bad_embedder"),
        ("http://user:secret@host/v1#m", "bad_embedder"),
        ("http://host:port/v1#m", "bad_embedder"),
        ("http://host/v1#m@0", "bad_embedder"),
        ("http://host/v1#m@1e3", "bad_embedder"),
        ("openai:m", "model_key_missing"),
    ],
)
def test_what_cannot_be_meant_is_refused(spec: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_embedder(spec, EMPTY)
    assert caught.value.code == code
    assert "secret" not in caught.value.message
