"""ask_model: a model call as a step."""

from collections.abc import AsyncIterator

import pytest

from treadle.core.chat import ChatDelta, ChatRequest, Finished, TextDelta
from treadle.core.errors import ModelError, ToolError
from treadle.testing import ScriptedModel
from treadle.tools.builtin.ask_model import model_tools

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


async def test_text() -> None:
    model = ScriptedModel(["a fine reply"])
    assert await model_tools(model)[0].call({"prompt": "Say ${x}"}) == "a fine reply"
    assert model.requests[0].messages[-1].content == "Say ${x}"


async def test_json_amid_prose() -> None:
    model = ScriptedModel(['Here it is:\n```json\n{"n": 3}\n```'])
    assert await model_tools(model)[0].call({"prompt": "n?", "output_schema": SCHEMA}) == {"n": 3}


async def test_json_that_does_not_fit_is_asked_for_once_more() -> None:
    model = ScriptedModel(['{"n": "three"}', '{"n": 3}'])
    assert await model_tools(model)[0].call({"prompt": "n?", "output_schema": SCHEMA}) == {"n": 3}
    assert "$.n" in model.requests[1].messages[-1].content


async def test_json_that_never_fits() -> None:
    model = ScriptedModel(["no", '{"n": NaN}'])
    with pytest.raises(ModelError) as caught:
        await model_tools(model)[0].call({"prompt": "n?", "output_schema": SCHEMA})
    assert caught.value.code == "model_malformed_reply"


class CutModel(ScriptedModel):
    """Reaches its maximal length in the middle of the reply."""

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        yield TextDelta("half an ans")
        yield Finished("length")


@pytest.mark.parametrize("model", [CutModel(), ScriptedModel([" \n"])])
async def test_half_an_answer_is_none(model: ScriptedModel) -> None:
    with pytest.raises(ModelError) as caught:
        await model_tools(model)[0].call({"prompt": "Say much"})
    assert caught.value.code == "model_malformed_reply"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"prompt": " "}, "invalid_arguments"),
        ({"prompt": "n?", "output_schema": {"type": "nonsense"}}, "bad_output_schema"),
        ({"prompt": "n?", "output_schema": {"patternProperties": {"a": {}}}}, "bad_output_schema"),
        ({"prompt": "n?", "output_schema": {"$ref": "http://127.0.0.1:1/x"}}, "bad_output_schema"),
        ({"prompt": "n?", "output_schema": {"$ref": "file:///etc/passwd"}}, "bad_output_schema"),
        ({"prompt": "n?", "output_schema": {"$ref": "#"}}, "bad_output_schema"),
    ],
)
async def test_bad_arguments(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(ToolError) as caught:
        await model_tools(ScriptedModel(["{}"]))[0].call(arguments)
    assert caught.value.code == code


async def test_a_pattern_cannot_take_for_ever() -> None:
    model = ScriptedModel(['["%s"]' % ("a" * 2000), '["aab"]'])
    schema = {"type": "array", "items": {"type": "string", "pattern": "^(a+)+b$"}}
    call = {"prompt": "?", "output_schema": schema}
    assert await model_tools(model)[0].call(call) == ["aab"]
