"""What a call of a server's tool is taken to do to the world."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.tools.effect import Effect


@dataclass(frozen=True, slots=True)
class Hints:
    """The annotations of a tool that bear on policy; None where the server says nothing."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a tool is treated. open_world: whether what it is given may leave for anywhere."""

    effect: Effect
    open_world: bool


def policy_of(hints: Hints, *, trusted: bool) -> Policy:
    """The policy for a tool: a write into an open world, unless its server says that it is worse.

    trusted: whether the host believes the server. Only then do its hints make it less than that; a
    server that nobody vouches for could call anything read-only.
    """
    if not trusted:
        # Destructive and read-only at once is a contradiction: the worse counts.
        effect = Effect.IRREVERSIBLE if hints.destructive else Effect.WRITE
        return Policy(effect, open_world=True)
    open_world = hints.open_world is not False
    if hints.read_only:
        return Policy(Effect.READ, open_world)
    return Policy(Effect.IRREVERSIBLE if hints.destructive else Effect.WRITE, open_world)
