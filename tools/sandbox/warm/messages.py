"""What a guest may say: the kinds of its frames and the type of each field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import SandboxLimits
from treadle.tools.sandbox.frames import Schema

ZYGOTE: Final[Schema] = {
    "ready": {"python": str},
    "out": {"data": str},
    "err": {"data": str},
    "value": {"data": str},
    "refused": {"reason": str},
    "done": {"ended": str, "code": int, "cpu": float, "memory": int},
    "turn": {"command": str, "status": int, "sound": bool},
}

SESSION: Final[Schema] = {
    "ready": {"python": str},
    "out": {"data": str},
    "err": {"data": str},
    "value": {"data": str},
    "called": {"ended": str, "code": int, "lost": bool},
}


def guest_limits(limits: SandboxLimits, *, data_bytes: int | None) -> Mapping[str, JsonValue]:
    """The limits that the guest sets on a child. data_bytes: where no cgroup bounds its memory."""
    return {
        "seconds": limits.seconds,
        "cpu_seconds": limits.cpu_seconds if math.isfinite(limits.cpu_seconds) else None,
        "file_bytes": limits.file_bytes,
        "open_files": limits.open_files,
        "output_bytes": limits.output_bytes,
        "data_bytes": data_bytes,
    }
