"""All attacks."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.core.errors import InputError
from treadle.tools.sandbox.attacks.attack import Attack
from treadle.tools.sandbox.attacks.bridge import BridgeAttack
from treadle.tools.sandbox.attacks.on_files import FILES
from treadle.tools.sandbox.attacks.on_frames import FRAMES
from treadle.tools.sandbox.attacks.on_kernel import KERNEL
from treadle.tools.sandbox.attacks.on_later import LATER
from treadle.tools.sandbox.attacks.on_network import NETWORK
from treadle.tools.sandbox.attacks.on_processes import PROCESSES
from treadle.tools.sandbox.attacks.on_resources import RESOURCES
from treadle.tools.sandbox.attacks.on_results import RESULTS
from treadle.tools.sandbox.attacks.on_time import TIME
from treadle.tools.sandbox.attacks.on_tools import TOOLS

_ATTACKS: tuple[Attack, ...] = (
    *(*FILES, *NETWORK, *PROCESSES, *RESOURCES, *TIME),
    *(*KERNEL, *LATER, *RESULTS, *FRAMES),
)


def attacks(only: Sequence[str] | None = None) -> tuple[Attack, ...]:
    """All attacks on a sandbox, or those whose names or groups are in `only`.

    Raises InputError (`unknown_attack`).
    """
    _check(only)
    return tuple(
        each for each in _ATTACKS if only is None or each.name in only or each.group in only
    )


def bridge_attacks(only: Sequence[str] | None = None) -> tuple[BridgeAttack, ...]:
    """All attacks on the bridge to the tools, or those whose names or groups are in `only`.

    Raises InputError (`unknown_attack`).
    """
    _check(only)
    return tuple(each for each in TOOLS if only is None or each.name in only or each.group in only)


def _check(only: Sequence[str] | None) -> None:
    groups = dict.fromkeys([*(each.group for each in _ATTACKS), *(each.group for each in TOOLS)])
    known = {*groups, *(each.name for each in _ATTACKS), *(each.name for each in TOOLS)}
    if unknown := [each for each in only or () if each not in known]:
        raise InputError(
            "unknown_attack",
            f"there is no attack '{unknown[0]}'; the groups are {', '.join(groups)}",
        )
