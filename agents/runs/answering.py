"""The answer as the type that was asked for."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from treadle.agents.runs.settled import Settled
from treadle.core.chat import Message
from treadle.core.json_value import JsonValue, as_text
from treadle.planner.joiner import Observation


async def typed_answer(
    settled: Settled,
    task: str,
    answer: JsonValue,
    observed: list[Observation],
    adapter: TypeAdapter[Any],
) -> tuple[Any, JsonValue]:
    """`answer` as a value of the type of `adapter`, and that value as JSON.

    As it is where it fits; else the model is asked for it, from what was `observed`. Raises
    ModelError.
    """
    try:
        output: Any = adapter.validate_python(answer)
    except ValidationError:
        from treadle.serving.structured import ask_structured

        outputs = "\n".join(each.described() for each in observed)
        question = f"{task}\n\nOutputs:\n{outputs}\n\nAnswer so far: {as_text(answer)}"
        output, _ = await ask_structured(
            settled.model,
            [
                Message("system", "Give the answer to the task as JSON, from the outputs."),
                Message("user", question),
            ],
            adapter,
            name="answer",
            purpose="join",
            deadlines=settled.deadlines,
        )
    value: JsonValue = adapter.dump_python(output, mode="json")
    return output, value
