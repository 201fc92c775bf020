"""The limits of a namespace."""

from __future__ import annotations

import math
from dataclasses import dataclass

from treadle.core.errors import InputError

_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Policy:
    """What a namespace may hold; None is no limit.

    most_episodes: how many. most_bytes: of the texts of its episodes, in UTF-8.
    keep_seconds: since an episode was recorded.

    Raises InputError (`bad_policy`) for limits that are none.
    """

    most_episodes: int | None = None
    most_bytes: int | None = None
    keep_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("most_episodes", "most_bytes"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
                raise InputError("bad_policy", f"{name} is to be a count, not {value!r}")
        kept = self.keep_seconds
        if kept is None:
            return
        if isinstance(kept, bool) or not isinstance(kept, int | float):
            raise InputError("bad_policy", f"keep_seconds is to be a number, not {kept!r}")
        if not math.isfinite(kept) or kept < 0:
            raise InputError("bad_policy", f"keep_seconds is to be 0 or more, not {kept!r}")
