"""Whether limits can be kept at all."""

from __future__ import annotations

import dataclasses
import math

from treadle.core.errors import InputError
from treadle.tools.sandbox.contract import SandboxLimits

LEAST = {"memory_bytes": 16 * 1024 * 1024, "open_files": 16, "result_files": 0, "result_bytes": 0}
MOST = 2**53


def check_limits(limits: SandboxLimits) -> None:
    """Raises InputError (`bad_sandbox_input`) for a limit that is not a number, or too small."""
    for each in dataclasses.fields(limits):
        value = getattr(limits, each.name)
        least = LEAST.get(each.name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise InputError("bad_sandbox_input", f"the limit {each.name} is not a number")
        if each.name == "cpu_seconds" and value == math.inf:
            continue  # the time on the wall bounds it
        if isinstance(value, float) or each.name.endswith("seconds"):
            if not 0 < value <= MOST:
                raise InputError(
                    "bad_sandbox_input", f"the limit {each.name} must be above 0 and finite"
                )
        elif not least <= value <= MOST:
            raise InputError(
                "bad_sandbox_input", f"the limit {each.name} must be from {least} to {MOST}"
            )
