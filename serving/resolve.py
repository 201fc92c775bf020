"""Which model a run uses: from a specification, the settings or the usual environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from treadle.core.chat import ChatModel
from treadle.core.errors import ConfigError
from treadle.core.settings import Settings
from treadle.serving.addresses import OPENAI_URL, api_url, is_openai, ollama_url
from treadle.serving.hints import Backend
from treadle.serving.openai_model import OLLAMA_KEY, OpenAIModel

DEFAULT_OPENAI_MODEL = "gpt-5-mini"
FORMS = (
    "openai:NAME, vllm:http://HOST:PORT[#NAME], sglang:http://HOST:PORT[#NAME], "
    "dynamo:http://HOST:PORT[#NAME], ollama:NAME, http://HOST/v1#NAME or offline"
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model, and what decided on it ("argument", "environment variable X", ...)."""

    model: ChatModel
    source: str


def resolve_model(spec: str | ChatModel | None, settings: Settings) -> ChatModel:
    """The model of `choose_model`."""
    return choose_model(spec, settings).model


def choose_model(spec: str | ChatModel | None, settings: Settings) -> ModelChoice:
    """The model that `spec` names. Nothing is contacted.

    - a ChatModel: that object.
    - `openai:NAME`: at the setting `base_url`, OPENAI_BASE_URL or OpenAI itself; the key is the
      setting `api_key` or OPENAI_API_KEY.
    - `vllm:URL`, `sglang:URL`, `dynamo:URL`, with `#NAME` for a certain model; without, the first
      that the server lists. The key is the setting `api_key`, for vLLM also VLLM_API_KEY, or none.
    - `ollama:NAME`: at the setting `base_url`, OLLAMA_HOST or http://localhost:11434.
    - `http(s)://HOST/PATH#NAME`: any other compatible server, base URL as it stands.
    - `offline`: the stand-in that needs no model.
    - None: the first of these that is there: the setting `model` (TREADLE_MODEL or the config
      file); the setting `base_url`; OPENAI_API_KEY or OPENAI_BASE_URL (model: OPENAI_MODEL, else
      gpt-5-mini at OpenAI itself and the first that the server lists elsewhere); OLLAMA_HOST
      (model: OLLAMA_MODEL, else the first listed). Only when none is: offline.

    Raises ConfigError: `bad_model`, `model_key_missing`.
    """
    if spec is None:
        return _configured(settings)
    if isinstance(spec, str):
        return ModelChoice(_named(spec, settings), "argument")
    if isinstance(spec, ChatModel):
        return ModelChoice(spec, "argument")
    raise ConfigError(
        "bad_model", f"a {type(spec).__name__} is no model; pass a ChatModel or one of {FORMS}"
    )


def _configured(settings: Settings) -> ModelChoice:
    environment = settings.environment
    named = settings.values.get("model")
    if named is not None:
        return ModelChoice(_named(named.value, settings), named.source)
    base_url = settings.values.get("base_url")
    if base_url is not None:
        return ModelChoice(_compatible(base_url.value, None, settings), base_url.source)
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        if environment.get(variable):
            model = _openai(environment.get("OPENAI_MODEL") or None, settings)
            return ModelChoice(model, f"environment variable {variable}")
    if environment.get("OLLAMA_HOST"):
        model = _ollama(environment.get("OLLAMA_MODEL") or None, settings)
        return ModelChoice(model, "environment variable OLLAMA_HOST")
    return ModelChoice(_offline(), "nothing is configured")


def _named(spec: str, settings: Settings) -> ChatModel:
    spec = spec.strip()
    if spec == "offline":
        return _offline()
    provider, colon, rest = spec.partition(":")
    if provider in ("http", "https"):
        url, _, name = spec.partition("#")
        return _compatible(url, name or None, settings)
    if not colon or not rest:
        raise _bad(f"'{_shown(spec)}' names no model", settings.environment)
    match provider:
        case "openai":
            return _openai(rest, settings)
        case "ollama":
            return _ollama(rest, settings)
        case "vllm" | "sglang" | "dynamo":
            return _engine(provider, rest, settings)
    raise _bad(f"there is no provider '{_shown(provider)}'", settings.environment)


def _openai(name: str | None, settings: Settings) -> OpenAIModel:
    environment = settings.environment
    configured = settings.get("base_url") or environment.get("OPENAI_BASE_URL")
    base_url = api_url(configured) if configured else OPENAI_URL
    key = settings.get("api_key") or environment.get("OPENAI_API_KEY")
    official = is_openai(base_url)
    if official and not key:
        raise ConfigError(
            "model_key_missing",
            f"openai:{name or DEFAULT_OPENAI_MODEL} needs an API key; set OPENAI_API_KEY or "
            f"TREADLE_API_KEY",
        )
    if name is None and official:
        name = DEFAULT_OPENAI_MODEL
    return _model("openai" if official else "compatible", "openai", base_url, name, key)


def _ollama(name: str | None, settings: Settings) -> OpenAIModel:
    configured = settings.get("base_url")
    host = settings.environment.get("OLLAMA_HOST", "")
    base_url = api_url(configured) if configured else ollama_url(host)
    return _model("ollama", "ollama", base_url, name, settings.get("api_key") or OLLAMA_KEY)


def _engine(provider: Backend, address: str, settings: Settings) -> OpenAIModel:
    url, _, name = address.partition("#")
    base_url = api_url(url, add_version=True)
    key = settings.get("api_key")
    if key is None and provider == "vllm":
        key = settings.environment.get("VLLM_API_KEY")
    return _model(provider, provider, base_url, name or None, key)


def _compatible(url: str, name: str | None, settings: Settings) -> OpenAIModel:
    return _model("compatible", "compatible", api_url(url), name, settings.get("api_key"))


def _model(
    backend: Backend, provider: str, base_url: str, name: str | None, key: str | None
) -> OpenAIModel:
    return OpenAIModel(
        f"{provider}:{name or base_url}",
        model=name,
        base_url=base_url,
        api_key=key or None,
        backend=backend,
        structured_output=True,
    )


def _offline() -> ChatModel:
    from treadle.serving.offline import OfflineModel

    return OfflineModel()


def _bad(what: str, environment: Mapping[str, str]) -> ConfigError:
    return ConfigError("bad_model", f"{what}; write {FORMS}")


def _shown(text: str) -> str:
    printable = "".join(character for character in text if character.isprintable())
    return printable if len(printable) <= 80 else f"{printable[:80]}..."
