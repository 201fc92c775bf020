"""`treadle route`: one address in front of one or more engines."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from treadle.cli.ending import exit_code
from treadle.cli.output import print_error, print_note
from treadle.core.errors import ConfigError, TreadleError

if TYPE_CHECKING:
    from treadle.serving.router.config import RouterConfig

_KINDS = ("stock", "vllm", "treadle", "dynamo", "sglang", "openai")


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What the command line says; engines and the config file do not go together."""

    engines: tuple[str, ...]
    config: Path | None
    host: str
    port: int
    kv_tokens: int | None
    max_in_flight: int | None
    policy: str | None
    key_env: str | None


def run_route_command(options: RouteOptions, *, debug: bool) -> int:
    """Serve until told to stop; returns the exit code."""
    try:
        return route(options)
    except TreadleError as error:
        print_error(error, debug=debug)
        return exit_code(error)


def route(options: RouteOptions) -> int:
    """Serve until SIGTERM or Ctrl-C, drain, and return 0.

    Raises ConfigError: `bad_router_config`, `no_router_key`, `cannot_listen`, `missing_extra`.
    """
    try:
        from treadle.serving.router.app import make_app
        from treadle.serving.router.server import serve
    except ModuleNotFoundError as error:
        raise ConfigError(
            "missing_extra", f"{error.name} is not installed: pip install 'treadle[service]'"
        ) from error
    config = configured(options)
    app = make_app(config, environment=os.environ)
    if not _is_loopback(options.host) and config.key_env is None and not config.tenants:
        print_note(
            f"warning: everybody who reaches {options.host} may use the engines; "
            f"--key-env NAME asks for a key"
        )

    def listening(address: str) -> None:
        gate = app.state.router.gate
        states = [f"{each.name} {'up' if gate.is_up(each.name) else 'DOWN'}" for each in engines]
        print_note(f"routing {address}/v1 to {', '.join(states)}")

    engines = config.engines
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    serve(app, options.host, options.port, listening=listening)
    return 0


def configured(options: RouteOptions) -> RouterConfig:
    """The config file, or what the command line says in its place.

    Raises ConfigError (`bad_router_config`).
    """
    from treadle.serving.router.config import checked_config, load_config

    said = {
        "key_env": options.key_env,
        "policy": options.policy,
    }
    given: dict[str, object] = {name: value for name, value in said.items() if value is not None}
    if options.config is not None:
        if options.engines or options.kv_tokens or options.max_in_flight:
            raise ConfigError(
                "bad_router_config", "engines stand in the config file or here, not in both"
            )
        config = load_config(options.config)
        return checked_config({**config.model_dump(), **given}, "the command line")
    if not options.engines:
        raise ConfigError(
            "bad_router_config",
            "no engine: name one (treadle route vllm:http://127.0.0.1:8000), or use --config",
        )
    given["engines"] = [_engine(spec, options) for spec in _distinct(options.engines)]
    return checked_config(given, "the command line")


def _engine(spec: str, options: RouteOptions) -> dict[str, object]:
    """What [KIND:]URL says."""
    kind, colon, rest = spec.partition(":")
    if not colon or rest.startswith("//"):
        kind, rest = "stock", spec
    if kind not in _KINDS:
        raise ConfigError(
            "bad_router_config",
            f"{kind}: is no kind of engine; write URL, or one of "
            f"{', '.join(each + ':URL' for each in _KINDS[1:])}",
        )
    plugin = kind == "treadle"
    engine: dict[str, object] = {
        "name": _name(rest),
        "url": rest,
        "backend": "vllm" if plugin else kind,
        "plugin": plugin,
    }
    if options.kv_tokens is not None:
        engine["kv_tokens"] = options.kv_tokens
    if options.max_in_flight is not None:
        engine["max_in_flight"] = options.max_in_flight
    return engine


def _name(url: str) -> str:
    """What to call the engine at `url`: its host and port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "engine", parts.port
    except ValueError:
        # What is wrong with it is said when the address itself is checked.
        return "engine"
    name = host if port is None else f"{host}:{port}"
    return re.sub(r"[^A-Za-z0-9_.:-]", "-", name)[:64]


def _distinct(specs: Sequence[str]) -> list[str]:
    """`specs` without repetitions: an engine named twice is one engine."""
    return list(dict.fromkeys(specs))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
