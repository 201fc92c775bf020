"""The estimate of a prompt covers everything that is sent."""

from __future__ import annotations

from treadle.core.chat import ChatRequest, FunctionSpec, Message, ResponseSchema, ToolCall
from treadle.core.prompt_estimate import PER_MESSAGE, estimate_prompt

TEXT = "Tell me something."


def test_four_characters_of_english_are_a_token() -> None:
    assert estimate_prompt(ChatRequest((Message("user", "x" * 400),))) == 100 + PER_MESSAGE


def test_other_scripts_have_more_tokens_to_a_character() -> None:
    english = estimate_prompt(ChatRequest((Message("user", "a" * 400),)))
    chinese = estimate_prompt(ChatRequest((Message("user", "中" * 400),)))
    assert chinese == 300 + PER_MESSAGE > english


def test_calls_tools_and_schema_count() -> None:
    plain = ChatRequest((Message("user", TEXT),))
    call = ToolCall("c", "look", '{"at": "' + "y" * 400 + '"}')
    spec = FunctionSpec("look", "z" * 400, {"type": "object"})
    schema = ResponseSchema("plan", {"description": "w" * 400})
    for more in (
        ChatRequest((Message("user", TEXT), Message("assistant", "", tool_calls=(call,)))),
        ChatRequest(plain.messages, tools=(spec,)),
        ChatRequest(plain.messages, response_schema=schema),
    ):
        assert estimate_prompt(more) >= estimate_prompt(plain) + 100


def test_half_of_a_surrogate_pair_is_no_obstacle() -> None:
    assert estimate_prompt(ChatRequest((Message("user", "\ud800" * 8),))) == 6 + PER_MESSAGE
