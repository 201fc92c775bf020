"""What a call does to the world, which decides when it may run, be retried or must be approved."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """The effect class of a tool.

    pure: the same arguments give the same result, nothing outside is touched.
    read: looks at the world, changes nothing; may be repeated.
    write: changes something that can in principle be changed back; never repeated blindly.
    irreversible: cannot be taken back (an e-mail, a payment); never repeated blindly.
    """

    PURE = "pure"
    READ = "read"
    WRITE = "write"
    IRREVERSIBLE = "irreversible"

    @property
    def repeatable(self) -> bool:
        """Whether a failed call may simply be made again."""
        return self in (Effect.PURE, Effect.READ)

    @property
    def severity(self) -> int:
        """0 for pure up to 3 for irreversible; a caller of several tools has the highest."""
        return list(Effect).index(self)
