"""`treadle memory limits` and `salvage`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.memory_forget_command import agreed, require_somebody
from treadle.cli.memory_options import MemoryOptions, open_memory
from treadle.cli.memory_show import called, counted
from treadle.cli.output import print_json, print_note, write_stdout
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.memory.namespace import Namespace
    from treadle.memory.policies import Policy

_NO_LIMIT = -1.0
_DAY = 86_400.0
_DECLINED = 1


async def limits(
    episodes: int | None, size: int | None, days: float | None, yes: bool, options: MemoryOptions
) -> int:
    """Set the limits that are given, -1 for none, make them hold, and show all of them.

    yes: whether what is above them may go without a person being asked. 1: the person said no.

    Raises InputError: `bad_policy`, and `unconfirmed` where there is nobody to ask.
    """
    setting = (episodes, size, days) != (None, None, None)
    async with open_memory(options, existing=not setting) as memory:
        policy = await memory.policies.get()
        changed = _changed(policy, episodes, size, days)
        erased: Mapping[str, int] = {}
        if changed != policy:
            above = await memory.policies.excess(changed)
            if above and not yes:
                require_somebody(options)
                if not await agreed(_question(above, memory.namespace)):
                    print_note("nothing was changed")
                    return _DECLINED
            await memory.policies.set(changed)
            erased = (await memory.policies.enforce()).erased
    document: dict[str, JsonValue] = {
        "namespace": str(memory.namespace),
        "episodes": changed.most_episodes,
        "bytes": changed.most_bytes,
        "days": None if changed.keep_seconds is None else changed.keep_seconds / _DAY,
        "erased": dict(erased),
    }
    if options.json:
        print_json(document)
        return 0
    for name in ("episodes", "bytes", "days"):
        value = document[name]
        write_stdout(f"{name}: {'no limit' if value is None else f'{value:,}'}\n")
    if erased:
        write_stdout(f"erased: {counted(erased)}\n")
    return 0


def _question(above: int, namespace: Namespace) -> str:
    return (
        f"{above:,} {called('episode', above)} of {one_line(str(namespace))} will be erased, with "
        "what follows from them. There is no way back."
    )


def _changed(policy: Policy, episodes: int | None, size: int | None, days: float | None) -> Policy:
    if episodes is not None:
        policy = replace(policy, most_episodes=None if episodes == _NO_LIMIT else episodes)
    if size is not None:
        policy = replace(policy, most_bytes=None if size == _NO_LIMIT else size)
    if days is not None:
        policy = replace(policy, keep_seconds=None if days == _NO_LIMIT else days * _DAY)
    return policy


async def salvage(path: Path, out: Path, json: bool) -> int:
    """Save what can be read of a damaged database. Raises what `carrying.salvage` raises."""
    from treadle.memory.carrying.salvage import salvage as saved_into

    done = await saved_into(path, out)
    if json:
        print_json(
            {
                "file": str(out),
                "saved": dict(done.saved),
                "damaged": list(done.damaged),
                "dropped": dict(done.dropped),
            }
        )
        return 0
    rows = counted(done.saved)
    write_stdout(f"saved in {out}: {rows or 'nothing'}\n")
    if done.damaged:
        write_stdout(f"not all of it could be read: {', '.join(done.damaged)}\n")
    return 0
