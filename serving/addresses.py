"""Addresses of model servers, checked."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from treadle.core.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_PORT = 11434


def api_url(address: str, *, add_version: bool = False) -> str:
    """`address` as a base URL without a slash at its end.

    add_version: append the usual `/v1` where the path does not end in it.

    Raises ConfigError (`bad_model`) for what is no http or https URL, and for a URL with a user
    name, a query or a fragment: what is in there would be lost, or show up in messages.
    """
    address = address.strip()
    parts = _split(address)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # Not quoted: whatever it is, it may hold a password.
        raise ConfigError(
            "bad_model", "the model's address is no URL; write it like http://host:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "bad_model",
            f"the model's address at {parts.hostname} has a user name, a query or a fragment; put "
            f"the key into TREADLE_API_KEY and leave the rest out",
        )
    path = parts.path.rstrip("/")
    if add_version and not path.endswith("/v1"):
        path += "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_openai(base_url: str) -> bool:
    """Whether `base_url` is OpenAI itself."""
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def ollama_url(host: str) -> str:
    """The base URL for what stands in OLLAMA_HOST: `host`, `host:port` or a URL; may be empty.

    Raises ConfigError (`bad_model`).
    """
    host = host.strip() or "localhost"
    has_scheme = "://" in host
    parts = _split(host if has_scheme else f"http://{host}")
    if parts is None:
        raise ConfigError("bad_model", "OLLAMA_HOST is no address; write it like localhost:11434")
    name = parts.hostname or "localhost"
    # The server's wildcard address; a client has to name one.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104
    name = f"[{name}]" if ":" in name else name
    usual = {"http": 80, "https": 443} if has_scheme else {}
    port = parts.port or usual.get(parts.scheme, _OLLAMA_PORT)
    return api_url(f"{parts.scheme}://{name}:{port}{parts.path}", add_version=True)


def _split(address: str) -> SplitResult | None:
    if not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts
