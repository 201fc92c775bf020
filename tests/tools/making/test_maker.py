"""Making tools: proposed by a model, held against examples, stored, approved, called."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tools.making.conftest import FakeRunner

from treadle.core.errors import InputError, ToolError
from treadle.testing import ScriptedModel
from treadle.tools import Effect, ToolIndex, ToolRegistry
from treadle.tools.making import Example, MadeTool, ToolLibrary, ToolMaker, as_tool, made_tools

SNIPPET = "print(sum(ord(c) - 96 for c in 'abc'))"
LETTERS = '''
def letter_sum(word: str) -> int:
    """Add up the places of letters in the alphabet.

    Args:
        word: In lowercase.
    """
    return sum(ord(c) - 96 for c in word)
'''
EXAMPLES = [{"arguments": {"word": "abc"}, "result": 6}, {"arguments": {"word": ""}, "result": 0}]


def proposal(source: str = LETTERS, examples: object = EXAMPLES) -> dict[str, Any]:
    return {"source": source, "examples": examples}


def maker(
    model: ScriptedModel, runner: FakeRunner, library: ToolLibrary, **options: Any
) -> ToolMaker:
    return ToolMaker(model, runner, library, **options)


async def test_a_snippet_becomes_a_tool_that_runs_once_it_is_approved(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    model = ScriptedModel([proposal()])
    made = await maker(model, runner, library).make(SNIPPET, "the sum of abc")
    assert not made.known
    assert made.tool.title == "made.letter_sum"
    assert SNIPPET in model.requests[0].messages[1].content

    assert made_tools(library, runner) == []
    with pytest.raises(ToolError) as caught:
        as_tool(made.tool, library, runner)
    assert caught.value.code == "tool_not_approved"

    library.approve(made.tool, by="ada")
    (tool,) = made_tools(library, runner)
    assert tool.effect is Effect.PURE
    assert tool.gives_untrusted
    assert tool.parameters["properties"] == {
        "word": {"type": "string", "description": "In lowercase."}
    }
    assert await tool.call({"word": "bad"}) == 7
    assert ToolIndex([tool]).search("places in the alphabet")[0].name == "made.letter_sum"
    assert "made.letter_sum" in ToolRegistry([tool])


async def test_arguments_stay_data(runner: FakeRunner, library: ToolLibrary) -> None:
    source = 'def same(text: str) -> str:\n    "Give it back."\n    return text'
    examples = [{"arguments": {"text": t}, "result": t} for t in ("a", "b")]
    made = await maker(ScriptedModel([proposal(source, examples)]), runner, library).make("x", "y")
    library.approve(made.tool, by="ada")
    (tool,) = made_tools(library, runner)
    for text in ("'''\"); raise SystemExit(1)  # ", "\\", "\n\0\u2028", "${a}"):
        assert await tool.call({"text": text}) == text


async def test_an_approval_that_is_taken_back_stops_the_tool(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    made = await maker(ScriptedModel([proposal()]), runner, library).make(SNIPPET, "sum")
    library.approve(made.tool, by="ada")
    (tool,) = made_tools(library, runner)
    library.revoke(made.tool)
    ran = len(runner.ran)
    with pytest.raises(ToolError) as caught:
        await tool.call({"word": "a"})
    assert caught.value.code == "tool_not_approved"
    assert len(runner.ran) == ran


async def test_examples_that_do_not_hold_are_shown_to_the_model(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    wrong = [EXAMPLES[0], {"arguments": {"word": "z"}, "result": 25}]
    model = ScriptedModel([proposal(examples=wrong), "no JSON", proposal()])
    made = await maker(model, runner, library).make(SNIPPET, "sum")
    assert made.tool.examples[1] == Example({"word": ""}, 0)
    assert "it gave 26" in model.requests[1].messages[-1].content
    assert "no such JSON" in model.requests[2].messages[-1].content


async def test_a_model_that_never_gets_it_right_makes_nothing(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    wrong = proposal(examples=[{"arguments": {"word": each}, "result": -1} for each in "ab"])
    with pytest.raises(ToolError) as caught:
        await maker(ScriptedModel([wrong] * 3), runner, library).make(SNIPPET, "sum")
    assert caught.value.code == "tool_not_made"
    assert library.names() == []


@pytest.mark.parametrize(
    "hostile",
    [
        LETTERS + "\n__import__('os').system('touch {marker}')",  # would run on reading
        LETTERS.replace("word: str", "word: __import__('os').system('touch {marker}')"),
        LETTERS.replace("word: str", "word: str = open('{marker}', 'w')"),
        LETTERS.replace(
            "    return", "    '''\n    import os; os._exit(0)\n    '''\n    1/0; return"
        ),
        LETTERS.replace("return", "raise SystemExit('\\x1b[2J'); return"),
        LETTERS.replace("sum(ord(c) - 96 for c in word)", "object()"),
    ],
)
async def test_hostile_code_makes_no_tool_and_runs_nowhere_else(
    hostile: str, tmp_path: Path, runner: FakeRunner, library: ToolLibrary
) -> None:
    marker = tmp_path / "marker"
    bad = proposal(hostile.replace("{marker}", str(marker)))
    with pytest.raises(ToolError) as caught:
        await maker(ScriptedModel([bad]), runner, library, max_repairs=0).make(SNIPPET, "sum")
    assert caught.value.code == "tool_not_made"
    assert "\x1b" not in caught.value.message
    assert not marker.exists()
    assert library.names() == []


async def test_the_same_code_that_is_declared_otherwise_is_another_version(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    make = maker(ScriptedModel([proposal()] * 4), runner, library).make
    first = await make(SNIPPET, "sum")
    library.approve(first.tool, by="ada")
    careful = await make(SNIPPET, "sum", open_world=True)
    assert (careful.known, careful.tool.version, careful.tool.open_world) == (False, 2, True)
    assert not library.is_approved(careful.tool)
    assert (await make(SNIPPET, "sum", open_world=True)).known
    assert (await make(SNIPPET, "sum", effect="read")).tool.effect is Effect.READ


async def test_a_function_that_is_not_the_same_twice_is_not_pure(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    source = (
        'import random\ndef roll(sides: int) -> float:\n    "Roll."\n    return random.random()'
    )
    examples = [{"arguments": {"sides": each}, "result": 0.5} for each in (1, 2)]
    with pytest.raises(ToolError, match="tool_not_made"):
        await maker(
            ScriptedModel([proposal(source, examples)]), runner, library, max_repairs=0
        ).make(SNIPPET, "roll")


async def test_a_tool_that_does_what_another_does_is_that_one(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    again = LETTERS.replace("letter_sum", "letters_total").replace(
        "ord(c) - 96", "ord(c) - ord('`')"
    )
    other = LETTERS.replace("letter_sum", "letter_mean").replace("return sum", "return 2 * sum")
    doubled = [{"arguments": {"word": "b"}, "result": 4}, {"arguments": {"word": ""}, "result": 0}]
    model = ScriptedModel([proposal(), proposal(LETTERS + "# again"), proposal(again),
                           proposal(other, doubled)])  # fmt: skip
    making = maker(model, runner, library)
    first = await making.make(SNIPPET, "sum")
    for _ in range(2):
        made = await making.make(SNIPPET, "sum")
        assert made.known
        assert made.tool == first.tool
    assert not (await making.make(SNIPPET, "mean")).known
    assert library.names() == ["letter_mean", "letter_sum"]


async def test_other_code_is_another_version_and_waits_for_its_own_approval(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    changed = LETTERS.replace("- 96", "- 95")
    examples = [{"arguments": {"word": "a"}, "result": 2}, {"arguments": {"word": ""}, "result": 0}]
    making = maker(ScriptedModel([proposal(), proposal(changed, examples)]), runner, library)
    first = (await making.make(SNIPPET, "sum")).tool
    library.approve(first, by="ada")
    second = (await making.make(SNIPPET, "sum")).tool
    assert (first.version, second.version) == (1, 2)
    assert library.approved() == [first]
    assert await made_tools(library, runner)[0].call({"word": "a"}) == 1
    before = made_tools(library, runner)[0].fingerprint
    library.approve(second, by="ada")
    (tool,) = made_tools(library, runner)
    assert await tool.call({"word": "a"}) == 2
    assert tool.fingerprint != before


async def test_a_sandbox_that_refuses_is_reported_and_not_repaired(
    runner: FakeRunner, library: ToolLibrary
) -> None:
    runner.refuses = True
    model = ScriptedModel([proposal()])
    with pytest.raises(ToolError) as caught:
        await maker(model, runner, library).make(SNIPPET, "sum")
    assert caught.value.code == "sandbox_refused"
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("snippet", "task", "effect"), [("", "t", "pure"), ("s", " ", "pure"), ("s", "t", "write")]
)
async def test_what_cannot_be_made_is_refused_before_a_model_is_asked(
    snippet: str, task: str, effect: str, runner: FakeRunner, library: ToolLibrary
) -> None:
    with pytest.raises(InputError) as caught:
        await maker(ScriptedModel(), runner, library).make(snippet, task, effect=effect)
    assert caught.value.code == "bad_snippet"


def stored(library: ToolLibrary) -> MadeTool:
    examples = tuple(Example(each["arguments"], each["result"]) for each in EXAMPLES)  # type: ignore[arg-type]
    return library.add(MadeTool("letter_sum", 1, LETTERS, examples))


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    library = ToolLibrary(tmp_path)
    made = stored(library)
    library.approve(made, by="ada")
    path = tmp_path / "letter_sum" / "1.json"
    document = json.loads(path.read_text())
    document["tool"]["source"] = LETTERS.replace("- 96", "- 1")
    for text in (json.dumps(document), "{}", "no JSON", ""):
        path.write_text(text)
        with pytest.raises(ToolError) as caught:
            library.approved()
        assert caught.value.code == "made_tool_damaged"


def test_an_approval_does_not_cover_other_code(tmp_path: Path) -> None:
    library = ToolLibrary(tmp_path)
    made = stored(library)
    library.approve(made, by="ada")
    path = tmp_path / "letter_sum" / "1.json"
    other = MadeTool("letter_sum", 1, LETTERS.replace("- 96", "- 1"), made.examples)
    path.write_text(json.dumps({"digest": other.digest, "tool": other.as_json()}))
    assert library.get("letter_sum") == other
    assert library.approved() == []
    with pytest.raises(ToolError) as caught:
        library.approve(made, by="ada")
    assert caught.value.code == "made_tool_damaged"


@pytest.mark.parametrize("name", ["nothing", "../letter_sum", "", ".", "a/b", "letter_sum\n"])
def test_names_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    library = ToolLibrary(tmp_path)
    stored(library)
    with pytest.raises(ToolError) as caught:
        library.get(name)
    assert caught.value.code == "unknown_tool"
