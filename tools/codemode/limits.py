"""How much one snippet may take."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from treadle.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CodeModeLimits:
    """Bounds of one snippet; each of them ends it.

    seconds: on the wall, with the calls that it makes and whoever is asked about them.
    compute_seconds: of the interpreter itself. memory_bytes: of its heap.
    recursion: how deep functions may call each other.
    calls: of tools. parallel_calls: of those at once; the others wait.
    code_characters: of the snippet. output_bytes: of what it prints.
    result_characters: of its result, and of the arguments of each call, as JSON.

    Raises ConfigError (`bad_code_mode`) for a limit that is not above 0.
    """

    seconds: float = 600.0
    compute_seconds: float = 5.0
    memory_bytes: int = 64 * 1024 * 1024
    recursion: int = 200
    calls: int = 100
    parallel_calls: int = 8
    code_characters: int = 50_000
    output_bytes: int = 64 * 1024
    result_characters: int = 1_000_000

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 < value < math.inf:
                raise ConfigError(
                    "bad_code_mode", f"{each.name} is {value!r}; give a number above 0"
                )
