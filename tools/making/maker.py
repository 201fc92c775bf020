"""Making tools out of code that worked.

After CRAFT (arXiv 2309.17428): abstract a snippet, validate it against examples, drop what is there
already; what is new waits for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from treadle.core.chat import ChatModel, ChatRequest, Message
from treadle.core.errors import InputError, ToolError
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model
from treadle.core.threads import run_in_thread
from treadle.tools.effect import Effect
from treadle.tools.making.library import ToolLibrary
from treadle.tools.making.made_tool import Example, MadeTool
from treadle.tools.making.proposal import SCHEMA, SYSTEM, read_proposal
from treadle.tools.making.source import FunctionSource, read_source
from treadle.tools.making.trial import broken_examples
from treadle.tools.retrieval import ToolIndex
from treadle.tools.sandbox.contract import CodeRunner, SandboxLimits

_COMPARED = 5  # similar tools that a new one is run against
_SHOWN = 20_000


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a snippet: a tool, and whether it was there before."""

    tool: MadeTool
    known: bool


class ToolMaker:
    """Asks a model to abstract snippets into tools, tries them in a sandbox and stores them.

    runner: where everything that the model writes runs. limits: of each run.
    max_repairs: how often the model is shown what is wrong with its tool.
    """

    def __init__(
        self,
        model: ChatModel,
        runner: CodeRunner,
        library: ToolLibrary,
        *,
        limits: SandboxLimits | None = None,
        max_repairs: int = 2,
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
    ) -> None:
        self._model = model
        self._runner = runner
        self._library = library
        self._limits = limits
        self._max_repairs = max_repairs
        self._deadlines = deadlines

    async def make(
        self,
        snippet: str,
        task: str,
        *,
        effect: Effect | str = Effect.PURE,
        open_world: bool = False,
    ) -> Made:
        """A tool that does what `snippet` did for `task`; stored, and not approved.

        effect: pure or read. open_world: whether arguments from untrusted sources need approval.

        Raises InputError (`bad_snippet`) for nothing to go by or another effect, ToolError
        (`tool_not_made`) when the last repair does not hold either, `sandbox_refused`, and
        ModelError.
        """
        declared = _checked(snippet, task, effect)
        messages = [
            Message("system", SYSTEM),
            Message("user", f"The task:\n{task[:_SHOWN]}\n\nThe code:\n{snippet[:_SHOWN]}"),
        ]
        problem = ""
        for _ in range(self._max_repairs + 1):
            request = ChatRequest(tuple(messages), response_schema=SCHEMA)
            reply = await call_model(
                self._model, request, purpose="agent", deadlines=self._deadlines
            )
            try:
                source, examples = await self._tried(reply.text, declared)
            except ToolError as error:
                if error.code == "sandbox_refused":
                    raise
                problem = error.message
                messages += [
                    Message("assistant", reply.text[:_SHOWN] or "(nothing)"),
                    Message("user", f"That does not hold: {problem}\nWrite the whole tool anew."),
                ]
                continue
            return await self._stored(source, examples, declared, open_world)
        raise ToolError("tool_not_made", f"no tool came of it: {problem}")

    async def _tried(self, text: str, effect: Effect) -> tuple[FunctionSource, tuple[Example, ...]]:
        given, examples = read_proposal(text)
        source = read_source(given)
        different = {repr(sorted(each.arguments.items())) for each in examples}
        if len(different) < 2 and source.signature.parameters:
            raise ToolError("bad_tool_source", "give two examples or more, on different arguments")
        # A pure function gives the same again: the first example holds twice or not at all.
        again = examples[:1] if effect is Effect.PURE else ()
        broken = await self._broken(source, [*examples, *again])
        if broken:
            raise ToolError("made_tool_failed", "; ".join(broken[:5]))
        return source, examples

    async def _stored(
        self,
        source: FunctionSource,
        examples: tuple[Example, ...],
        effect: Effect,
        open_world: bool,
    ) -> Made:
        new = MadeTool(source.name, 1, source.text, examples, effect, open_world)
        known = [
            each
            for each in await run_in_thread(self._library.latest)
            # What was declared otherwise is another tool: it may ask less than this one is to.
            if (each.effect, each.open_world) == (effect, open_world)
        ]
        for each in known:
            if each.source == new.source:
                return Made(each, known=True)
        for each in similar(known, source):
            if await self._does_the_same(each, source, examples):
                return Made(each, known=True)
        return Made(await run_in_thread(partial(self._library.add, new)), known=False)

    async def _does_the_same(
        self, known: MadeTool, source: FunctionSource, examples: Sequence[Example]
    ) -> bool:
        """Whether each does what the examples of the other ask."""
        theirs = read_source(known.source)
        if theirs.signature.parameters.keys() != source.signature.parameters.keys():
            return False
        return not (
            await self._broken(theirs, examples) or await self._broken(source, known.examples)
        )

    async def _broken(self, source: FunctionSource, examples: Sequence[Example]) -> list[str]:
        return await broken_examples(self._runner, source.text, source.name, examples, self._limits)


def similar(known: Sequence[MadeTool], source: FunctionSource) -> list[MadeTool]:
    """The made tools that `source` is most likely a copy of."""
    index = ToolIndex(
        {"name": each.name, "description": read_source(each.source).docstring} for each in known
    )
    by_name = {each.name: each for each in known}
    found = index.search(f"{source.name} {source.docstring}", _COMPARED)
    return [by_name[each.name] for each in found]


def _checked(snippet: str, task: str, effect: Effect | str) -> Effect:
    if not snippet.strip() or not task.strip():
        raise InputError("bad_snippet", "give the code that worked, and the task that it was for")
    if effect not in (Effect.PURE, Effect.READ):
        raise InputError("bad_snippet", f"a made tool is pure or read, not '{effect}'")
    return Effect(effect)
