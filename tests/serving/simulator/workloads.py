"""Programs and engines that the simulator's tests share."""

from __future__ import annotations

from hypothesis import strategies as st

from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn

POOL = 2_000
SMALL = Hardware(pool_tokens=POOL, step_tokens=256, max_running=6)
"""So small that a few programs fill it."""


def program(name: str, *turns: tuple[int, int, float]) -> AgentProgram:
    """One of turns (prompt tokens, output tokens, gap)."""
    last = len(turns) - 1
    return AgentProgram(
        name,
        tuple(
            Turn(prompt, output, () if index == last else (ToolRun("Bash", "", gap),))
            for index, (prompt, output, gap) in enumerate(turns)
        ),
    )


@st.composite
def small_programs(draw: st.DrawFn) -> AgentProgram:
    prompt = draw(st.integers(1, 600))
    turns = []
    for _ in range(draw(st.integers(1, 5))):
        output = draw(st.integers(1, 60))
        turns.append((prompt, output, draw(st.sampled_from([0.0, 0.01, 0.5, 5.0, 60.0]))))
        prompt += draw(st.integers(0, 200))
    return program("p", *turns)


workloads = st.lists(small_programs(), min_size=1, max_size=8)
