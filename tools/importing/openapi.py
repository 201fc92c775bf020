"""Tools from an OpenAPI 3 document: each operation is one."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError, ToolError
from treadle.core.json_value import JsonValue, compact_json
from treadle.tools.builtin.host_policy import HostPolicy, Resolve, host_policy
from treadle.tools.effect import Effect
from treadle.tools.importing.credentials import Given, credentials_for
from treadle.tools.importing.document import Document, bad, read
from treadle.tools.importing.operation import Operation, operations
from treadle.tools.importing.request import Caller
from treadle.tools.registry import ToolRegistry
from treadle.tools.schema_signature import signature_for
from treadle.tools.tool import Tool

if TYPE_CHECKING:
    from httpx import URL

TIMEOUT = 30.0
"""Seconds for one call."""

_EFFECTS = {"GET": Effect.READ, "HEAD": Effect.READ, "OPTIONS": Effect.READ,
            "DELETE": Effect.IRREVERSIBLE}  # fmt: skip


def tools_from_openapi(
    document: Mapping[str, object] | str | Path,
    *,
    base_url: str | None = None,
    credentials: Mapping[str, Given] | None = None,
    only: Collection[str] | None = None,
    effects: Mapping[str, Effect | str] | None = None,
    allow_hosts: Sequence[str] = (),
    trusted: bool = False,
    timeout: float = TIMEOUT,
    resolve: Resolve | None = None,
) -> ToolRegistry:
    """The operations of an OpenAPI 3.0 or 3.1 document as tools, by their `operationId`.

    Arguments are the parameters, and `body` for a JSON body; outputs are checked against the schema
    of the one response that means success. GET and HEAD read, DELETE is irreversible, the others
    write. Redirects are not followed: they would carry the credentials along.

    document: a dict, the text of JSON or YAML, or the path of a file.
    base_url: where the API is, in place of the document's first server.
    credentials: by the name of the security scheme, a Secret; for `basic` a pair of them.
    only: names of operations, or patterns like "repos.*"; all by default.
    effects: by name, where an operation does something else than its method says.
    allow_hosts: as for `fetch_url`. The host of `base_url` is allowed; one that only the document
        names must have public addresses.
    trusted: whether what the API gives is not labelled as untrusted.
    timeout: seconds for one call.

    Raises ConfigError: `bad_openapi` naming the place, `openapi_unsupported`,
    `openapi_remote_reference`, `openapi_credentials`, `duplicate_tool`, `bad_allowed_host`.
    """
    parsed = read(document)
    given, told = dict(credentials or {}), dict(effects or {})
    found = [each for each in operations(parsed) if _is_wanted(each.name, only)]
    _check_names(found, only, told)
    tools: dict[str, Tool] = {}
    places: dict[str, str] = {}
    for operation in found:
        base = _base_of(parsed, operation, base_url)
        presented = credentials_for(parsed, operation, given)
        if presented and base_url is None:
            _check_goes_home(parsed, operation, base)
        caller = Caller(
            operation,
            str(base).rstrip("/"),
            _policy(base, allow_hosts, named=base_url is not None, resolve=resolve),
            presented,
        )
        if operation.name in places:
            raise ConfigError(
                "duplicate_tool",
                f"{operation.place} and {places[operation.name]} are both '{operation.name}'",
            )
        places[operation.name] = operation.place
        tools[operation.name] = _tool(caller, told, trusted=trusted, timeout=timeout)
    return ToolRegistry(tools.values())


def _tool(
    caller: Caller, told: Mapping[str, Effect | str], *, trusted: bool, timeout: float
) -> Tool:
    operation = caller.operation
    method = operation.method
    effect = Effect(told.get(operation.name, _EFFECTS.get(method, Effect.WRITE)))
    secrets = (secret.name for each in caller.credentials for secret in each.secrets)
    return Tool(
        name=operation.name,
        description=operation.description,
        signature=signature_for(operation.arguments, operation.returns),
        function=caller,
        is_async=True,
        effect=effect,
        timeout=timeout,
        open_world=True,
        untrusted=not trusted,
        scopes=tuple(dict.fromkeys(secrets)),
        identity=compact_json([method, caller.base + operation.path]),
    )


def _is_wanted(name: str, only: Collection[str] | None) -> bool:
    return only is None or any(fnmatchcase(name, each) for each in only)


def _check_names(
    found: Sequence[Operation], only: Collection[str] | None, told: Mapping[str, Effect | str]
) -> None:
    names = [each.name for each in found]
    for wanted in only or ():
        if not any(fnmatchcase(name, wanted) for name in names):
            raise bad("paths", f"there is no operation '{wanted[:80]}'")
    for name, effect in told.items():
        if name not in names:
            raise bad("paths", f"there is no operation '{name[:80]}' that has an effect")
        if effect not in list(Effect):
            raise ConfigError("bad_tool", f"'{name}': effect '{effect}' is none")


def _base_of(document: Document, operation: Operation, base_url: str | None) -> URL:
    import httpx

    text = base_url if base_url is not None else _server(document, operation)
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise bad(
            "base_url" if base_url is not None else "servers",
            f"'{str(text)[:100]}' is no http:// or https:// address of an API; give base_url",
        )
    return url.copy_with(fragment=None)


def _check_goes_home(document: Document, operation: Operation, base: URL) -> None:
    """An operation may name a server of its own, and that must not be handed what opens the API."""
    servers = document.root.get("servers")
    home = _base_of(document, replace(operation, servers=servers), None) if servers else base
    if (base.scheme, base.host, base.port) != (home.scheme, home.host, home.port):
        raise ConfigError(
            "openapi_credentials",
            f"{operation.place} would send its credentials to {base.scheme}://{base.host}, which "
            f"is not the API's own server ({home.host}); give base_url, or leave it out by `only`",
        )


def _server(document: Document, operation: Operation) -> str:
    servers = operation.servers
    if not isinstance(servers, list) or not servers:
        raise bad("servers", "the document names no server; give base_url")
    first = document.resolved(servers[0], "servers[0]")
    url, variables = first.get("url"), first.get("variables", {})
    if not isinstance(url, str) or not isinstance(variables, dict):
        raise bad("servers[0]", "a server has a url")
    for name, variable in variables.items():
        standard: JsonValue = variable.get("default") if isinstance(variable, dict) else None
        url = url.replace("{" + name + "}", str(standard))
    return url


def _policy(
    base: URL, allow_hosts: Sequence[str], *, named: bool, resolve: Resolve | None
) -> HostPolicy:
    own = f"{base.host}:{base.port}" if base.port is not None else base.host
    if named or not _is_local(base.host):
        allow_hosts = [*allow_hosts, f"[{base.host}]" if ":" in base.host else own]
    try:
        return host_policy(allow_hosts, resolve)
    except ToolError as error:
        raise ConfigError(error.code, error.message) from None


def _is_local(host: str) -> bool:
    """Whether a host is reached only where a person has named it: not because a document did."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.replace(".", "").isalnum() and host[:1].isdigit()
    return True
