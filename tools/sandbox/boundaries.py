"""Which boundary is used: the strongest that works here, and none below what is demanded."""

from __future__ import annotations

from collections.abc import Iterator

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel, SandboxPolicy
from treadle.tools.sandbox.execution import LaunchingBoundary, Runner
from treadle.tools.sandbox.levels.catalogue import boundary_of, runner_of
from treadle.tools.sandbox.probing import SandboxProbe, probe_strongest, probe_strongest_async


def strongest_boundary(
    policy: SandboxPolicy, machine: SandboxProbe | None = None
) -> LaunchingBoundary:
    """The strongest boundary of this machine that starts any process.

    machine: what a probe has found. Without it the first call in a process probes the machine,
    which takes up to some seconds. Raises
    ToolError (`sandbox_unavailable`) where there is none, or it is weaker than `policy` demands.
    """
    found = machine or probe_strongest(policy.min_level)
    for level in _levels(found, policy):
        try:
            return boundary_of(level)
        except ToolError:
            continue  # a level that runs snippets only (a container's, another machine's)
    raise _unavailable(found, policy)


async def strongest_runner(policy: SandboxPolicy, machine: SandboxProbe | None = None) -> Runner:
    """The strongest level of this machine, for whole executions; see `strongest_boundary`.

    Raises ToolError (`sandbox_unavailable`) where there is none, or it is weaker than `policy`
    demands.
    """
    found = machine or await probe_strongest_async(policy.min_level)
    for level in _levels(found, policy):
        return runner_of(level)
    raise _unavailable(found, policy)


def _levels(found: SandboxProbe, policy: SandboxPolicy) -> Iterator[SandboxLevel]:
    for report in found.levels:
        if report.works and report.level.rank >= policy.min_level.rank:
            yield report.level
    # Asked for twice over, by name: nothing else leads here.
    if policy.unsafe and policy.min_level is SandboxLevel.UNSAFE:
        yield SandboxLevel.UNSAFE


def _unavailable(found: SandboxProbe, policy: SandboxPolicy) -> ToolError:
    best = found.strongest
    why = "; ".join(f"{each.level}: {each.reason}" for each in found.levels if not each.works)
    have = "none works here" if best is None else f"the strongest that works here is {best.level}"
    return ToolError(
        "sandbox_unavailable",
        f"a sandbox of level {policy.min_level} or stronger is demanded, and {have} ({why}); "
        "`treadle sandbox probe` says more",
    )
