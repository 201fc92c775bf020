"""Which embedder a memory uses: from a text, or an object that a program brings."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from treadle.core.embedder import Embedder
from treadle.core.errors import ConfigError
from treadle.core.settings import Settings
from treadle.memory.embedders.endpoint import EndpointEmbedder
from treadle.memory.embedders.hashing import HashingEmbedder
from treadle.memory.embedders.local import LocalEmbedder
from treadle.memory.embedders.minilm.encoder import DIMENSIONS
from treadle.memory.embedders.named_embedder import MOST_DIMENSIONS, NamedEmbedder

FORMS = "none, local, hashing, openai:MODEL or http(s)://HOST/v1#MODEL (both with @DIMENSIONS)"

_OPENAI_URL = "https://api.openai.com/v1"


def resolve_embedder(
    spec: str | Embedder | NamedEmbedder | None, settings: Settings | None = None
) -> NamedEmbedder | None:
    """The embedder that `spec` names, None for none. Nothing is contacted, and no model is read.

    - `none` or None: no embedder, lexical search only.
    - `local`: all-MiniLM-L6-v2 on this machine. `hashing`: for tests.
    - `openai:MODEL`: at OPENAI_BASE_URL or OpenAI itself; the key is the setting `api_key` or
      OPENAI_API_KEY.
    - `http(s)://HOST/PATH#MODEL`: any compatible server; the key is the setting `api_key`.
    - `openai:MODEL@256`, `http(s)://...#MODEL@256`: asks for vectors of that many numbers.
    - an Embedder: needs a text `name` that tells its model, or a NamedEmbedder around it.

    settings: None for the environment's.

    Raises ConfigError: `bad_embedder`, `missing_extra`, `model_key_missing`.
    """
    if spec is None or isinstance(spec, NamedEmbedder):
        return spec
    if not isinstance(spec, str):
        return _brought(spec)
    text = spec.strip()
    if text == "none":
        return None
    if text == "hashing":
        hashing = HashingEmbedder()
        return NamedEmbedder(hashing, hashing.name, hashing.dimensions)
    if text == "local":
        return NamedEmbedder(LocalEmbedder(), LocalEmbedder.name, DIMENSIONS)
    return _endpoint(text, settings or Settings({}, os.environ))


def _brought(embedder: Embedder) -> NamedEmbedder:
    name = getattr(embedder, "name", None)
    if not callable(getattr(embedder, "embed", None)) or not isinstance(name, str):
        raise ConfigError(
            "bad_embedder",
            f"a {type(embedder).__name__} does not say which model its vectors are of: give it a "
            f"text `name` beside `embed`, pass NamedEmbedder(it, name), or one of {FORMS}",
        )
    return NamedEmbedder(embedder, name)


def _endpoint(text: str, settings: Settings) -> NamedEmbedder:
    environment = settings.environment
    key = settings.get("api_key")
    if text.startswith("openai:"):
        model = text.removeprefix("openai:")
        base_url = _checked(environment.get("OPENAI_BASE_URL") or _OPENAI_URL)
        key = key or environment.get("OPENAI_API_KEY")
        if not key and urlsplit(base_url).hostname == "api.openai.com":
            raise ConfigError(
                "model_key_missing",
                "openai: needs an API key; set OPENAI_API_KEY or TREADLE_API_KEY",
            )
    elif text.startswith(("http://", "https://")):
        address, _, model = text.partition("#")
        base_url = _checked(address)
    else:
        shown = "".join(each for each in text[:80] if each.isprintable())
        raise ConfigError("bad_embedder", f"there is no embedder '{shown}'; write {FORMS}")
    model, dimensions = _dimensions(model)
    if not model:
        raise ConfigError("bad_embedder", f"the address names no model; write {FORMS}")
    embedder = EndpointEmbedder(model, base_url, key or None, dimensions=dimensions)
    return NamedEmbedder(embedder, model, dimensions)


def _dimensions(model: str) -> tuple[str, int | None]:
    name, at, number = model.rpartition("@")
    if not at:
        return model, None
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= MOST_DIMENSIONS):
        raise ConfigError(
            "bad_embedder", f"after '@' stands a number of dimensions, 1 to {MOST_DIMENSIONS}"
        )
    return name, int(number)


def _checked(address: str) -> str:
    """`address` as a base URL without a slash at its end."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # which may be no number
    except ValueError:
        parts = None
    spelled = address.isprintable() and " " not in address
    if not spelled or not parts or not parts.hostname or parts.scheme not in ("http", "https"):
        # Not quoted: whatever it is, it may hold a password.
        raise ConfigError(
            "bad_embedder", "the embedder's address is no URL; write it like http://host:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "bad_embedder",
            f"the embedder's address at {parts.hostname} has a user name, a query or a fragment; "
            "put the key into TREADLE_API_KEY and leave the rest out",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
