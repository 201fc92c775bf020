"""What the router is configured with: engines, rules, tenants, limits; from TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from treadle.core.errors import ConfigError
from treadle.core.invalid import reason_of
from treadle.serving.addresses import api_url

EngineKind: TypeAlias = Literal["stock", "vllm", "dynamo", "sglang", "openai"]

_Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
_Positive: TypeAlias = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
_Count: TypeAlias = Annotated[int, Field(ge=0)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineConfig(_Checked):
    """An engine behind the router.

    url: its address, with or without /v1 at the end. backend: what kind it is, and so which
    fields it takes; `stock` for any OpenAI-compatible server. plugin: whether it is a vLLM with
    Treadle's plugin. key_env: the environment variable that holds its API key. models: what it
    serves; asked from it where empty. kv_tokens: the size of its KV pool; asked from its
    /metrics where it has that, else 100,000.
    """

    name: _Name
    url: str
    backend: EngineKind = "stock"
    plugin: bool = False
    key_env: str | None = None
    models: tuple[str, ...] = ()
    kv_tokens: Annotated[int, Field(ge=1)] | None = None
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 64

    @field_validator("url")
    @classmethod
    def _checked_url(cls, value: str) -> str:
        try:
            return api_url(value, add_version=True)
        except ConfigError as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _only_vllm_has_the_plugin(self) -> EngineConfig:
        if self.plugin and self.backend != "vllm":
            raise ValueError("plugin = true needs backend = 'vllm'")
        return self


class Condition(_Checked):
    """When a rule holds: everything that is given here must be so.

    purpose: of the call, as Treadle's hint says it. models: what the client asked for.
    tools: whether the request offers tools. headers: exact values.
    """

    purpose: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    min_prompt_tokens: _Count | None = None
    max_prompt_tokens: _Count | None = None
    max_remaining_calls: _Count | None = None
    tools: bool | None = None
    headers: dict[str, str] = {}


class RuleConfig(_Checked):
    """Where calls go that fit: certain engines, or another model. The first that fits counts."""

    name: _Name
    when: Condition
    engines: tuple[str, ...] = ()
    model: str | None = None

    @model_validator(mode="after")
    def _says_where(self) -> RuleConfig:
        if not self.engines and self.model is None:
            raise ValueError("a rule names engines, a model or both")
        return self


class TenantConfig(_Checked):
    """Who may use the router: the key that `key_env` holds, and its share against the others."""

    name: _Name
    key_env: str
    weight: _Positive = 1.0


class LimitsConfig(_Checked):
    """What bounds the router; seconds, bytes, tokens.

    wait_seconds: in the queue. first_byte_seconds: from sending a call to the first byte of its
    reply. idle_seconds: between two bytes. client_seconds: that a client may take to accept a
    piece. drain_seconds: that running replies get on SIGTERM.
    """

    max_waiting: Annotated[int, Field(ge=1)] = 2_000
    max_body_bytes: Annotated[int, Field(ge=1)] = 32 * 1024 * 1024
    wait_seconds: _Positive = 600.0
    first_byte_seconds: _Positive = 600.0
    idle_seconds: _Positive = 300.0
    client_seconds: _Positive = 60.0
    connect_seconds: _Positive = 10.0
    drain_seconds: _Positive = 30.0
    health_seconds: _Positive = 2.0
    program_idle_seconds: _Positive = 3_600.0
    fair_quantum: _Positive = 50_000.0
    urgency_horizon: _Positive = 30.0
    spill_seconds: _Positive = 1.0


class RouterConfig(_Checked):
    """All of it.

    policy: `treadle`, or `vllm` for first come, first served. key_env: holds the key that clients
    must send; nobody must where there are neither this nor tenants. tenant_header: the header
    that names the tenant, for routers behind a gateway that sets it. stop_is_last: whether a
    reply that calls no tool and was not cut short ends its program's branch.
    """

    engines: Annotated[tuple[EngineConfig, ...], Field(min_length=1)]
    rules: tuple[RuleConfig, ...] = ()
    tenants: tuple[TenantConfig, ...] = ()
    limits: LimitsConfig = LimitsConfig()
    policy: Literal["treadle", "vllm"] = "treadle"
    key_env: str | None = None
    tenant_header: str | None = None
    stop_is_last: bool = True

    @model_validator(mode="after")
    def _names_fit(self) -> RouterConfig:
        names = [engine.name for engine in self.engines]
        for what, given in (
            ("engines", names),
            ("rules", [rule.name for rule in self.rules]),
            ("tenants", [tenant.name for tenant in self.tenants]),
        ):
            twice = {name for name in given if given.count(name) > 1}
            if twice:
                raise ValueError(f"two {what} have the name {min(twice)}")
        for rule in self.rules:
            unknown = set(rule.engines) - set(names)
            if unknown:
                raise ValueError(f"rule {rule.name}: there is no engine {min(unknown)}")
        return self


def load_config(path: Path) -> RouterConfig:
    """The config in the file `path`, TOML or, where its name ends in .json, JSON.

    Raises ConfigError (`bad_router_config`) that names the field.
    """
    try:
        text = path.read_text("utf-8")
        document: object = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError("bad_router_config", f"{path}: {error}") from error
    return checked_config(document, str(path))


def checked_config(document: object, source: str) -> RouterConfig:
    """The config in `document`. Raises ConfigError (`bad_router_config`) that names the field."""
    try:
        return RouterConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = f"{source}: {where}: {reason_of(first)}{more}"
        raise ConfigError("bad_router_config", message) from error
