"""Handles to secrets: plans, prompts and tools know names; the call itself gets the value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from treadle.core.context_value import set_for
from treadle.core.errors import ConfigError, ToolError
from treadle.core.secrets import EnvironmentSecrets, SecretProvider, remember

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class _Grant:
    tool: str
    names: tuple[str, ...]
    provider: SecretProvider


_granted: ContextVar[_Grant | None] = ContextVar("treadle_secrets", default=None)


@dataclass(frozen=True, slots=True)
class Secret:
    """A handle to a secret: its name, never its value.

    Raises ConfigError (`bad_secret`) for what is no name.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigError(
                "bad_secret", "a secret is named by letters, digits, '_', '-' and '.', like an "
                "environment variable; its value stands somewhere else"
            )  # fmt: skip

    def reveal(self) -> str:
        """The value, inside of a call of a tool that names the secret in its `scopes`.

        Use it and forget it: do not return, log or store it.

        Raises ToolError: `secret_not_granted` everywhere else, `secret_missing` where nobody knows
        its value.
        """
        grant = _granted.get()
        if grant is None or self.name not in grant.names:
            who = "code outside of a tool's call" if grant is None else f"'{grant.tool}'"
            raise ToolError(
                "secret_not_granted",
                f"{who} may not see the secret {self.name}; name it in the scopes of the tool",
            )
        value = grant.provider.get(self.name)
        if not value:
            raise ToolError(
                "secret_missing",
                f"'{grant.tool}' needs the secret {self.name}, and it has no value here: set the "
                f"environment variable, or give Runtime(secrets=...) what knows it",
            )
        remember(self.name, value)
        return value


@contextmanager
def granted(tool: str, names: tuple[str, ...], provider: SecretProvider | None) -> Iterator[None]:
    """Code in here, and what it awaits, may reveal the secrets `names`.

    provider: knows their values; the environment by default.
    """
    with set_for(_granted, _Grant(tool, names, provider or _ENVIRONMENT)):
        yield


def grant_in_force() -> bool:
    """Whether code here works for a call that was granted secrets."""
    return _granted.get() is not None


def scopes_of(name: str, scopes: str | Iterable[str | Secret]) -> tuple[str, ...]:
    """The names in the `scopes` of tool `name`. Raises ConfigError (`bad_secret`)."""
    if not isinstance(scopes, Iterable):
        raise ConfigError("bad_secret", f"tool '{name}': scopes are names of secrets")
    given = [scopes] if isinstance(scopes, str) else list(scopes)
    handles = (each if isinstance(each, Secret) else Secret(each) for each in given)
    return tuple(dict.fromkeys(each.name for each in handles))


_ENVIRONMENT = EnvironmentSecrets()
