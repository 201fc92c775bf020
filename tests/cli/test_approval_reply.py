"""What a person types at the question whether calls may run."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.approval_reply import Edit, Picked, decided, parse_reply
from treadle.cli.chat.describe import calls_text
from treadle.core.errors import InputError, ToolError
from treadle.executor import Decision, PendingCall
from treadle.executor.approval import Arguments
from treadle.tools import Effect


def picked(*numbers: int, reason: str | None = None) -> Picked:
    return Picked(frozenset(numbers), reason)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("y", picked(1, 2, 3)),
        (" YES ", picked(1, 2, 3)),
        ("", picked()),
        ("n", picked()),
        ("n because it is Sunday", picked(reason="it is Sunday")),
        ("No: Because", picked(reason="Because")),
        ("n because", picked()),
        ("2", picked(2)),
        ("1,3", picked(1, 3)),
        ("3 1, because 2 is wrong", picked(1, 3, reason="2 is wrong")),
        ("e 2", Edit(2)),
        ("edit 3", Edit(3)),
    ],
)
def test_replies(line: str, reply: Picked | Edit) -> None:
    assert parse_reply(line, 3) == reply


@pytest.mark.parametrize(
    "line", ["maybe", "y 2", "0", "4", "1-3", "e", "e 4", "e x", "yy", "y because x"]
)
def test_what_makes_no_sense_is_no_reply(line: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_reply(line, 3)
    assert raised.value.code == "bad_reply"


@given(st.text(max_size=30), st.integers(1, 5))
def test_only_y_and_numbers_let_anything_run(line: str, count: int) -> None:
    try:
        reply = parse_reply(line, count)
    except InputError:
        return
    if isinstance(reply, Picked) and reply.numbers:
        assert reply.numbers <= set(range(1, count + 1))
        words = line.strip().lower()
        assert words in ("y", "yes") or words[0].isdigit()


def fits(arguments: Arguments) -> None:
    if set(arguments) != {"to"}:
        raise ToolError("invalid_arguments", "'send' takes `to`\x1b[2J")


def call(step_id: str, **fields: object) -> PendingCall:
    made = {"arguments": {"to": step_id}, "check": fits, **fields}
    return PendingCall(step_id, "send", Effect.IRREVERSIBLE, **made)  # type: ignore[arg-type]


async def answers(
    lines: Iterable[str | None], *calls: PendingCall
) -> tuple[dict[str, Decision] | None, str]:
    left, shown = list(lines), []

    async def read(prompt: str) -> str | None:
        return left.pop(0)

    said = await decided(calls, "Run them?", read, shown.append)
    assert not left
    return said, "\n".join(shown)


async def test_one_line_for_all() -> None:
    said, shown = await answers(["2 because enough"], call("a"), call("b"), call("c"))
    assert said == {
        "a": Decision(False, "enough"),
        "b": Decision(True),
        "c": Decision(False, "enough"),
    }
    assert "1. a: send (irreversible)" in shown
    assert "3. c: send (irreversible)" in shown


async def test_it_is_asked_again_until_the_answer_makes_sense() -> None:
    said, _ = await answers(["what?", "9", "y"], call("a"), call("b"))
    assert said == {"a": Decision(True), "b": Decision(True)}


async def test_arguments_are_edited_until_they_fit() -> None:
    lines = ["e 2", "nonsense", "[1]", '{"too": 1}', '{"to": "bob"}', "2"]
    said, shown = await answers(lines, call("a"), call("b"))
    assert said == {"a": Decision(False), "b": Decision(True, arguments={"to": "bob"})}
    assert 'to = "bob"' in shown
    assert "\x1b" not in shown


async def test_an_edit_can_be_left_and_is_none_of_a_call_that_is_denied() -> None:
    said, _ = await answers(["e", "", "y"], call("a"))
    assert said == {"a": Decision(True)}
    said, _ = await answers(["e", '{"to": "x"}', "n"], call("a"))
    assert said == {"a": Decision(False)}
    said, shown = await answers(["e", "n"], call("a", for_each=True))
    assert said == {"a": Decision(False)}
    assert "for each item" in shown


async def test_without_an_answer_nothing_is_decided() -> None:
    assert (await answers([None], call("a")))[0] is None
    assert (await answers(["e", None, None], call("a")))[0] is None


def test_a_fan_out_is_shown_by_its_first_items() -> None:
    items = tuple({"to": f"n{number}"} for number in range(1000))
    text = calls_text([call("m", for_each=True, items=items, reason="rule\nsays")])
    assert "for each item of 1,000" in text
    assert '{"to":"n0"}' in text
    assert "and 990 more" in text
    assert "asked because: rule says" in text
