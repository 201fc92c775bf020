"""Programs that call a model, wait for a tool and call again, in lock-step with an engine.

Everything that happens is drawn from a seed beforehand, and tools take a number of the engine's
steps in place of seconds: two runs differ in nothing but the scheduler.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.engine.in_process import Engine, Reply

FIRST_TOKEN, TOKENS = 8, 250
"""The range that prompts draw from: no special tokens."""

_TOOLS = ("search", "shell", "tests")


@dataclass(frozen=True, slots=True)
class Turn:
    """One call: what is new in its prompt, how much it writes, and the tool after it."""

    new: tuple[int, ...]
    output: int
    tool: str
    tool_steps: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Programs in the order of their arrival; `concurrency` of them are under way at a time."""

    programs: tuple[tuple[Turn, ...], ...]
    concurrency: int

    @property
    def prompt_tokens(self) -> int:
        """Of all calls together."""
        return sum(
            sum(len(turn.new) for turn in program[: number + 1])
            + sum(turn.output for turn in program[:number])
            for program in self.programs
            for number in range(len(program))
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the programs are, in tokens; ranges are of a uniform distribution.

    tool_steps: the median; tools are lognormal, most are short and some are very long.
    """

    programs: int = 24
    concurrency: int = 12
    turns: tuple[int, int] = (5, 8)
    first: tuple[int, int] = (128, 192)
    result: tuple[int, int] = (24, 64)
    output: tuple[int, int] = (8, 24)
    tool_steps: float = 4.0


def draw(seed: int, scale: Scale = Scale()) -> Workload:
    """The workload of a seed."""
    drawn = random.Random(f"treadle-engine-{seed}")

    def tokens(number: int) -> tuple[int, ...]:
        return tuple(drawn.randrange(FIRST_TOKEN, TOKENS) for _ in range(number))

    def turn(number: int) -> Turn:
        tool = drawn.choice(_TOOLS)
        spread = 0.5 + 0.5 * _TOOLS.index(tool)
        return Turn(
            new=tokens(drawn.randint(*(scale.result if number else scale.first))),
            output=drawn.randint(*scale.output),
            tool=tool,
            tool_steps=max(1, round(scale.tool_steps * drawn.lognormvariate(0, spread))),
        )

    programs = tuple(
        tuple(turn(number) for number in range(drawn.randint(*scale.turns)))
        for _ in range(scale.programs)
    )
    return Workload(programs, scale.concurrency)


@dataclass(frozen=True, slots=True)
class Result:
    """replies: by program and turn. finished: the step at which each program was done."""

    replies: Mapping[str, Reply]
    started: Mapping[int, int]
    finished: Mapping[int, int]
    steps: int

    @property
    def hit_tokens(self) -> int:
        """Prompt tokens that were found in the prefix cache."""
        return sum(reply.cached_tokens for reply in self.replies.values())

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """What was generated."""
        return {name: reply.tokens for name, reply in self.replies.items()}

    @property
    def mean_completion(self) -> float:
        """Steps from a program's start to its end, the mean."""
        taken = [self.finished[each] - self.started[each] for each in self.finished]
        return sum(taken) / len(taken)


def run(
    engine: Engine,
    workload: Workload,
    *,
    hints: bool,
    name: str = "",
    idle: Callable[[], object] = lambda: None,
    most_steps: int = 200_000,
) -> Result:
    """Run it to its end. name: makes programs and requests of several runs differ.

    hints: whether the calls say which program they belong to, and what comes next.
    idle: called for each step in which the engine has nothing to do and every tool runs.
    """
    return _Run(engine, workload, hints, name, idle).to_the_end(most_steps)


class _Run:
    def __init__(
        self, engine: Engine, workload: Workload, hints: bool, name: str, idle: Callable[[], object]
    ) -> None:
        self.engine = engine
        self.workload = workload
        self.hints = hints
        self.name = name
        self.idle = idle
        self.waiting = deque(range(len(workload.programs)))
        self.contexts: dict[int, list[int]] = {}
        self.due: dict[int, tuple[int, int]] = {}
        self.asked: dict[str, tuple[int, int]] = {}
        self.started: dict[int, int] = {}
        self.finished: dict[int, int] = {}
        self.step = 0

    def to_the_end(self, most_steps: int) -> Result:
        while len(self.finished) < len(self.workload.programs):
            if self.step > most_steps:
                raise AssertionError(f"not done after {most_steps} steps")
            self._ask()
            self.step += 1
            if self.engine.busy:
                for request in self.engine.step():
                    self._answered(request)
            else:
                self.idle()
        replies = {request: self.engine.replies.pop(request) for request in self.asked}
        return Result(replies, self.started, self.finished, self.step)

    def _ask(self) -> None:
        """Send every call whose time has come, in an order that does not depend on the engine."""
        while self.waiting and len(self.contexts) < self.workload.concurrency:
            program = self.waiting.popleft()
            self.contexts[program] = []
            self.started[program] = self.step
            self.due[program] = (self.step, 0)
        ready = sorted(each for each, (at, _) in self.due.items() if at <= self.step)
        for program in ready:
            self._send(program, self.due.pop(program)[1])

    def _send(self, program: int, number: int) -> None:
        turns = self.workload.programs[program]
        turn = turns[number]
        self.contexts[program].extend(turn.new)
        request = f"{self.name}p{program}-{number}"
        self.asked[request] = (program, number)
        hint = self._hint(program, turns, number) if self.hints else None
        self.engine.add(request, self.contexts[program], turn.output, hint=hint)

    def _hint(self, program: int, turns: Sequence[Turn], number: int) -> dict[str, object]:
        """What the executor tells of a call: facts of the plan, no durations."""
        hint: dict[str, object] = {
            "treadle_program_id": f"{self.name}p{program}",
            "treadle_remaining_calls": len(turns) - number - 1,
            "treadle_last_call": int(number == len(turns) - 1),
        }
        if number < len(turns) - 1:
            hint["treadle_next_tool"] = turns[number].tool
        return hint

    def _answered(self, request: str) -> None:
        program, number = self.asked[request]
        turns = self.workload.programs[program]
        self.contexts[program].extend(self.engine.replies[request].tokens)
        if number + 1 < len(turns):
            self.due[program] = (self.step + turns[number].tool_steps, number + 1)
        else:
            self.finished[program] = self.step
            del self.contexts[program]
