"""The model of one task: every question is asked here, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter

from treadle.core.chat import ChatModel, ChatRequest, Message, Usage
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model
from treadle.serving.structured import ask_structured

AnswerT = TypeVar("AnswerT")

PURPOSE = "agent"


class ModelUse:
    """Asks a model on behalf of one task, under the budget of its run.

    temperature: of replies that may differ, as those of several candidates should; None for the
        backend's own.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
        temperature: float | None = None,
    ) -> None:
        self._model = model
        self._deadlines = deadlines
        self._temperature = temperature
        self.usage = Usage()
        """What the task has used so far."""

    async def text(self, messages: Sequence[Message]) -> str:
        """The reply to `messages`. Raises what `call_model` raises."""
        request = ChatRequest(tuple(messages), temperature=self._temperature)
        reply = await call_model(self._model, request, purpose=PURPOSE, deadlines=self._deadlines)
        self.usage += reply.usage
        return reply.text

    async def structured(
        self, messages: Sequence[Message], type_: type[AnswerT], *, name: str
    ) -> AnswerT:
        """The reply as a value of `type_`.

        Raises ModelError (`model_malformed_reply`) where none fits, and what `call_model` raises.
        """
        answer, usage = await ask_structured(
            self._model,
            messages,
            TypeAdapter(type_),
            name=name,
            purpose=PURPOSE,
            deadlines=self._deadlines,
        )
        self.usage += usage
        return answer
