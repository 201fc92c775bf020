"""Credentials of an API by secret handle, and where each goes in a request."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from treadle.core.errors import ConfigError, ToolError
from treadle.core.secrets import remember
from treadle.tools.importing.document import Document, bad
from treadle.tools.importing.operation import Operation
from treadle.tools.secrets import Secret

Given: TypeAlias = "Secret | tuple[Secret, Secret]"
"""The key or token of a scheme; for `basic` the user's name and the password."""


KeyPlace: TypeAlias = Literal["header", "query", "cookie"]

_KEY_PLACES: Mapping[str, KeyPlace] = {"header": "header", "query": "query", "cookie": "cookie"}


@dataclass(frozen=True, slots=True)
class Credential:
    """Puts a secret into the header, query or cookie `name`, behind `prefix`."""

    secret: Secret
    place: KeyPlace
    name: str
    prefix: str = ""
    user: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The handles that it reveals."""
        return (self.secret,) if self.user is None else (self.user, self.secret)

    def value(self) -> str:
        """What is sent. Raises ToolError as `Secret.reveal` does, and `bad_secret_value`."""
        value = self.secret.reveal()
        if self.user is not None:
            pair = f"{self.user.reveal()}:{value}".encode()
            value = base64.b64encode(pair).decode()
            remember(self.secret.name, value)
        if not value.isprintable() or not value.isascii():
            raise ToolError(
                "bad_secret_value", f"the secret {self.secret.name} holds what no request can carry"
            )
        return f"{self.prefix}{value}"


def credentials_for(
    document: Document, operation: Operation, given: Mapping[str, Given]
) -> tuple[Credential, ...]:
    """What a request of `operation` carries: the first alternative that there is all for.

    Raises ConfigError: `openapi_credentials`, `bad_openapi`.
    """
    if not operation.security:
        return ()
    for names in operation.security:
        if all(name in given for name in names):
            return tuple(_credential(document, name, given[name]) for name in names)
    wanted = " or ".join(" and ".join(names) for names in operation.security)
    raise ConfigError(
        "openapi_credentials",
        f"{operation.place} needs {wanted}: give credentials={{'{operation.security[0][0]}': "
        f"Secret(...)}}, or leave the operation out with only=",
    )


def _credential(document: Document, name: str, given: Given) -> Credential:
    place = f"components.securitySchemes.{name}"
    scheme = document.resolved(document.at(f"#/{place.replace('.', '/')}", place), place)
    pair = isinstance(given, tuple)
    user, secret = given if isinstance(given, tuple) else (None, given)
    if not isinstance(secret, Secret) or not (user is None or isinstance(user, Secret)):
        # The value is not shown: it may be one.
        raise ConfigError("bad_secret", f"the credential for '{name}' is a Secret, not its value")
    kind, http = str(scheme.get("type")), str(scheme.get("scheme", "")).lower()
    if kind == "http" and http == "basic":
        if not pair:
            raise ConfigError(
                "openapi_credentials", f"'{name}' takes two secrets: the user's name, the password"
            )
        return Credential(secret, "header", "Authorization", "Basic ", user)
    if pair:
        raise ConfigError("openapi_credentials", f"'{name}' takes one secret")
    if kind == "apiKey":
        field = scheme.get("name")
        where = _KEY_PLACES.get(str(scheme.get("in")))
        if where is None or not isinstance(field, str):
            raise bad(place, "a key stands in a header, the query or a cookie, by a name")
        return Credential(secret, where, field)
    if kind in ("oauth2", "openIdConnect") or (kind == "http" and http == "bearer"):
        return Credential(secret, "header", "Authorization", "Bearer ")
    raise bad(place, f"a scheme of type '{f'{kind} {http}'.strip()}' is not known")
