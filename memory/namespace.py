"""Whose memory, and which part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeAlias

from treadle.core.errors import InputError

MOST_CHARACTERS = 200
"""Of a tenant's name, and of a path."""

DEFAULT_TENANT = "local"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A part of a tenant's memory. What is searched is one namespace; no tenant sees another's.

    path: labels with "/" between them, such as `users/alice`; empty for the tenant's own.
    tenant: who is served: a person, a customer, a service.

    Raises InputError (`bad_namespace`) for names that no one could tell apart or store.
    """

    path: str = ""
    tenant: str = DEFAULT_TENANT

    def __post_init__(self) -> None:
        _check("tenant", self.tenant)
        if not self.tenant:
            raise InputError("bad_namespace", "a tenant needs a name")
        if "/" in self.tenant:
            raise InputError("bad_namespace", "the name of a tenant has no '/'")
        _check("path", self.path)
        if self.path and not all(self.path.split("/")):
            raise InputError(
                "bad_namespace", f"{self.path!r} has an empty label: write it like users/alice"
            )

    @classmethod
    def parse(cls, text: str, tenant: str = DEFAULT_TENANT) -> Self:
        """The namespace that `text` names, with or without "/" around it."""
        return cls(text.strip("/"), tenant)

    @classmethod
    def of(cls, where: Where, home: Namespace) -> Namespace:
        """The namespace that a caller means; `home` is their own.

        Raises InputError (`bad_namespace`) for names that are none, and for what is no name.
        """
        if where is None:
            return home
        if isinstance(where, Namespace):
            return where
        if not isinstance(where, str):
            raise InputError(
                "bad_namespace",
                f"a namespace is a Namespace or its path, such as users/alice, not {where!r:.100}",
            )
        return cls.parse(where, home.tenant)

    def holds(self, other: Namespace) -> bool:
        """Whether `other` is this namespace or lies below it."""
        if other.tenant != self.tenant:
            return False
        return not self.path or other.path == self.path or other.path.startswith(f"{self.path}/")

    def __str__(self) -> str:
        return f"{self.tenant}:{self.path}"


Where: TypeAlias = Namespace | str | None
"""Which namespace is meant: itself, its path in one's own tenant, or one's own for None."""


def _check(what: str, text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            "bad_namespace", f"a {what} of {len(text)} characters; {MOST_CHARACTERS} are allowed"
        )
    if not text.isprintable() or text != text.strip():
        raise InputError(
            "bad_namespace",
            f"the {what} {text!r} has characters that cannot be seen, or space around it",
        )
