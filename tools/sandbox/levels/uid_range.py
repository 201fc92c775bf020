"""The uids that executions get, one each."""

from __future__ import annotations

import os
from dataclasses import dataclass

from treadle.core.errors import ConfigError
from treadle.tools.sandbox.levels.warden_side.messages import Uids

FOLDER = "/run/treadle/uids"
VARIABLE = "TREADLE_SANDBOX_UIDS"


@dataclass(frozen=True, slots=True)
class UidRange:
    """`count` uids from `first` on, that nothing else on the machine uses.

    Below 2**31: bubblewrap writes them as signed numbers. Every process of Treadle on the machine
    takes them from the same range, under a lock each.
    """

    first: int = 2_000_000_000
    count: int = 256

    @classmethod
    def configured(cls) -> UidRange:
        """From `TREADLE_SANDBOX_UIDS=FIRST:COUNT`, or the usual ones.

        Raises ConfigError (`bad_sandbox_uids`).
        """
        written = os.environ.get(VARIABLE)
        if not written:
            return cls()
        first, _, count = written.partition(":")
        if not (first.isdigit() and count.isdigit()):
            raise ConfigError(
                "bad_sandbox_uids", f"{VARIABLE} must be FIRST:COUNT, not {written!r}"
            )
        made = cls(int(first), int(count))
        if made.first < 1000 or not 1 <= made.count <= 65536 or made.first + made.count > 2**31:
            raise ConfigError(
                "bad_sandbox_uids",
                f"{VARIABLE}: the uids must lie from 1000 to 2147483647, 1 to 65536 of them",
            )
        return made

    def as_message(self) -> Uids:
        """What the warden is told."""
        return {"folder": FOLDER, "first": self.first, "count": self.count}
