"""Typed answers: tolerant reading, repair, and an end to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from treadle.core.chat import Message
from treadle.core.errors import ModelError
from treadle.serving import ask_structured
from treadle.serving.structured import parse_reply
from treadle.testing import ScriptedModel


class Answer(BaseModel):
    verdict: str
    score: int = 0


ASK = (Message("user", "Judge."),)


@pytest.mark.parametrize(
    "reply",
    [
        '{"verdict": "good", "score": 3}',
        '```json\n{"verdict": "good", "score": 3}\n```',
        'Sure! Here it is:\n\n```\n{"verdict": "good", "score": 3}\n```\nAnything else?',
        'I think [maybe] {it} is {"verdict": "good", "score": 3}. Bye {"x": 1}',
    ],
)
async def test_fences_and_prose_around_the_answer_do_not_matter(reply: str) -> None:
    model = ScriptedModel([reply])
    answer, usage = await ask_structured(model, ASK, Answer, name="verdict", purpose="step")
    assert answer == Answer(verdict="good", score=3)
    assert usage.calls == 1
    wanted = model.requests[0].response_schema
    assert wanted is not None
    assert wanted.name == "verdict"


async def test_a_wrong_answer_is_asked_for_again_with_the_error() -> None:
    model = ScriptedModel([{"score": "many"}, "no idea", {"verdict": "bad"}])
    answer, usage = await ask_structured(model, ASK, Answer, name="verdict", purpose="step")
    assert answer == Answer(verdict="bad")
    assert usage.calls == 3
    second = model.requests[1].messages
    assert second[1] == Message("assistant", '{"score":"many"}')
    assert "verdict: field required" in second[2].content
    # Each repair shows the last attempt only: the prompt does not grow.
    assert len(model.requests[2].messages) == 3


async def test_repair_comes_to_an_end() -> None:
    model = ScriptedModel(lambda _: "never")
    with pytest.raises(ModelError) as caught:
        await ask_structured(model, ASK, Answer, name="verdict", purpose="step")
    assert caught.value.code == "model_malformed_reply"
    assert len(model.requests) == 3


async def test_an_adapter_and_plain_types_work_as_well() -> None:
    adapter = TypeAdapter(list[int])
    answer, _ = await ask_structured(
        ScriptedModel(["[1, 2]"]), ASK, adapter, name="numbers", purpose="step"
    )
    assert answer == [1, 2]


async def test_an_error_of_the_model_is_not_repaired() -> None:
    model = ScriptedModel([ModelError("model_bad_key", "no")])
    with pytest.raises(ModelError, match="model_bad_key"):
        await ask_structured(model, ASK, Answer, name="verdict", purpose="step")
    assert len(model.requests) == 1


@pytest.mark.parametrize("reply", ["", "[" * 100_000, '{"a":' * 50_000, "{" * 10_000, "\ud800"])
def test_hostile_replies_are_refused_quickly(reply: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is pydantic's
        parse_reply(reply, TypeAdapter(Answer))


@given(
    before=st.text(st.characters(exclude_characters="{[`")), after=st.text(), score=st.integers()
)
def test_an_answer_is_found_between_any_prose(before: str, after: str, score: int) -> None:
    adapter = TypeAdapter(Answer)
    text = f"{before}{adapter.dump_json(Answer(verdict='x', score=score)).decode()}{after}"
    assert parse_reply(text, adapter) == Answer(verdict="x", score=score)
