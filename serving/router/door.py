"""Who may come in, and for whom a call is."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from treadle.core.errors import ConfigError
from treadle.serving.router.config import RouterConfig
from treadle.serving.router.errors import RouterError

_LONGEST_TENANT = 128


class Door:
    """The keys that clients send, and the tenants that they stand for."""

    def __init__(self, config: RouterConfig, environment: Mapping[str, str]) -> None:
        """Raises ConfigError (`no_router_key`) where a variable with a key is not set."""
        self._keys: list[tuple[bytes, str]] = []
        if config.key_env is not None:
            self._keys.append((key_from(environment, config.key_env).encode(), ""))
        for tenant in config.tenants:
            key = key_from(environment, tenant.key_env).encode()
            if any(hmac.compare_digest(key, other) for other, _ in self._keys):
                raise ConfigError(
                    "no_router_key", f"the key in {tenant.key_env} is somebody else's too"
                )
            self._keys.append((key, tenant.name))
        self._header = None if config.tenant_header is None else config.tenant_header.lower()

    def tenant(self, headers: Mapping[str, str]) -> str:
        """The tenant of a request, "" for nobody in particular; header names in lower case.

        Raises RouterError (`bad_router_key`, 401).
        """
        name = self._by_key(headers) if self._keys else ""
        if not name and self._header is not None:
            return headers.get(self._header, "")[:_LONGEST_TENANT]
        return name

    def _by_key(self, headers: Mapping[str, str]) -> str:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        sent = given.strip().encode("utf-8", "surrogatepass") if scheme.lower() == "bearer" else b""
        found: str | None = None
        # All keys are compared, each in constant time: how long it takes tells nothing.
        for key, tenant in self._keys:
            if hmac.compare_digest(key, sent):
                found = tenant
        if found is None:
            raise RouterError("bad_router_key", "the router does not know this API key", status=401)
        return found


def key_from(environment: Mapping[str, str], name: str) -> str:
    """The key in the variable `name`. Raises ConfigError (`no_router_key`)."""
    key = environment.get(name, "").strip()
    if not key:
        raise ConfigError("no_router_key", f"the environment variable {name} holds no key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("no_router_key", f"the key in {name} cannot be sent in a header")
    return key
