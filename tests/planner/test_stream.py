"""The streaming parser: the same parts however the text is cut, and a code for all damage."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planner.test_plan import wire_plans

from treadle.core.errors import PlanError
from treadle.planner.stream import PlanField, PlanPart, PlanStream, StepText, read_document

CODES = {
    "plan_syntax", "plan_encoding", "unknown_field", "duplicate_key", "bad_plan", "too_deep",
    "no_plan", "plan_truncated", "second_plan",
}  # fmt: skip


def parts_of(chunks: list[str]) -> list[PlanPart]:
    stream = PlanStream()
    parts = [part for chunk in chunks for part in stream.feed(chunk)]
    return [*parts, *stream.finish()]


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def code_of(text: str | bytes) -> str:
    with pytest.raises(PlanError) as caught:
        read_document(text)
    return caught.value.code


@given(wire_plans(), st.lists(st.integers(0, 10_000)), st.sampled_from([None, 1, 3]), st.booleans())
def test_every_chunking_gives_the_same(
    document: dict[str, Any], places: list[int], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    if not ascii_only or "\\ud" not in text:
        whole = parts_of([text])
        assert [part.document for part in whole if isinstance(part, StepText)] == document["steps"]
        assert parts_of(cut(text, places)) == whole
        assert parts_of(list(text)) == whole


@settings(max_examples=300)
@given(
    wire_plans(),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.text(max_size=3)), max_size=4),
    st.lists(st.integers(0, 10_000), max_size=5),
)
def test_damage_gives_parts_or_a_code(
    document: dict[str, Any], damage: list[tuple[int, int, str]], places: list[int]
) -> None:
    text = json.dumps(document)
    for place, deleted, inserted in damage:
        place %= len(text) + 1
        text = text[:place] + inserted + text[place + deleted :]
    try:
        parts_of(cut(text, places))
    except PlanError as error:
        assert error.code in CODES


def test_each_step_comes_with_the_chunk_that_closes_it() -> None:
    text = '{"steps": [{"id": "a", "args": {"x": [1, {"y": "}"}]}}, {"id": "b"}], "answer": "z"}'
    stream = PlanStream()
    seen = {
        len(text[: index + 1]): parts
        for index, char in enumerate(text)
        if (parts := stream.feed(char))
    }
    ends = [text.index("}}, ") + 2, text.index('"b"}') + 4, len(text)]
    assert list(seen) == ends
    assert stream.complete


def test_linear_in_one_character_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every character reaches the JSON parser about once, whatever the chunks."""
    from treadle.planner import stream as module

    handed = 0

    class Counting(module.JsonBuilder):
        def feed(self, text: str) -> list[tuple[str, Any]]:
            nonlocal handed
            handed += len(text)
            return super().feed(text)

    monkeypatch.setattr(module, "JsonBuilder", Counting)
    document = {"steps": [{"id": f"s{n}", "args": {"t": "word " * 20}} for n in range(2_000)]}
    text = json.dumps(document)
    assert len(parts_of(list(text))) == 2_000
    assert handed <= len(text) + 100


@pytest.mark.parametrize(
    "text",
    [
        'Sure! Use {braces} like {"a": 1} so:\n```json\n{"steps": [], "answer": "x"}\n``` Done {ok}.',
        '\ufeff{"steps": [], "answer": "x"}',
        '{"answer": "x",\r\n "steps": []}\r\n',
        '<think>{"steps?"}</think>{"answer":"x","steps":[]}',
        '{ "" {"answer": "x", "steps": []}',
    ],
)
def test_prose_and_fences_around_the_object(text: str) -> None:
    assert read_document(text.encode()) == {"steps": [], "answer": "x"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_plan"),
        ("I cannot do that.", "no_plan"),
        ("null", "no_plan"),
        ("[]", "no_plan"),
        ('[{"id": "a"}]', "no_plan"),
        ("{}", "no_plan"),
        ('{"plan": {}}', "no_plan"),
        ('{"steps": [', "plan_truncated"),
        ('{"steps": [{"id": "a"}', "plan_truncated"),
        ('{"steps": [], "answer": "half', "plan_truncated"),
        ('{"steps": null}', "bad_plan"),
        ('{"steps": {}}', "bad_plan"),
        ('{"steps": "s"}', "bad_plan"),
        ('{"steps": [], "steps": []}', "duplicate_key"),
        ('{"steps": [{"id": "a", "id": "b"}]}', "duplicate_key"),
        ('{"thought": "hm", "steps": []}', "unknown_field"),
        ('{"steps": [], "thought": {"a": [1]}}', "unknown_field"),
        ('{"steps": [{"x": NaN}]}', "plan_syntax"),
        ('{"steps": [{"x": -Infinity}]}', "plan_syntax"),
        ('{"steps": [{"x": 1e999}]}', "plan_syntax"),
        ('{"steps": [{"x": ' + "9" * 5_000 + "}]}", "plan_syntax"),
        ('{"steps": [{"x": 01}]}', "plan_syntax"),
        ('{"steps": [{"x": "a\nb"}]}', "plan_syntax"),
        ('{"steps": [{"x": 1,}]}', "plan_syntax"),
        ("{\"steps\": [{'x': 1}]}", "plan_syntax"),
        ('{"steps": [{"x": "\\ud800"}]}', "plan_encoding"),
        ('{"steps": [{"x": "\\udc00\\ud800"}]}', "plan_syntax"),
        ('{"steps": [{"x": "\ud800"}]}', "plan_encoding"),
        (b'{"steps": [{"x": "\xff"}]}', "plan_encoding"),
        ('{"steps": [{"x": ' + "[" * 10_000 + "]" * 10_000 + "}]}", "too_deep"),
        ('{"steps": [{"x": ' + '{"a":' * 10_000, "too_deep"),
        ('{"steps": []} {"steps": []}', "second_plan"),
        ('{"steps": [], "answer": "a"}\n\nOr better:\n{ "answer": "b"}', "second_plan"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_texts(text: str | bytes, code: str) -> None:
    assert code_of(text) == code


def test_what_json_allows_is_kept() -> None:
    text = '{"steps": [{"pair": "\\ud83d\\ude00", "escaped": "\\\\ud800", "big": 123456789012345678901}]}'
    assert read_document(text)["steps"] == [
        {"pair": "😀", "escaped": "\\ud800", "big": 123456789012345678901}
    ]
    long = "x" * 1_000_000
    assert read_document(json.dumps({"answer": long}))["answer"] == long


@pytest.mark.parametrize("unit", ["{", '{"', "[", '{"a":', '"', "}", '{"a"}', "{ ", '{"steps":'])
def test_adversarial_texts_end_soon(unit: str) -> None:
    assert code_of(unit * 100_000) in CODES


def test_parts_before_the_damage_stay() -> None:
    stream = PlanStream()
    parts = stream.feed('{"steps": [{"id": "a"}, ')
    assert parts == [StepText(0, {"id": "a"})]
    with pytest.raises(PlanError):
        stream.feed("oops}]}")
    stream = PlanStream()
    assert stream.feed('{"answer": "x", "version": 2, "steps": []}') == [
        PlanField("answer", "x"),
        PlanField("version", 2),
    ]


@pytest.mark.parametrize("size", [1, 7, 1_000, 10**9])
@pytest.mark.parametrize(
    "text",
    [
        "{" + " \n" * 200_000,
        "{" * 300_000,
        '{"a":[' * 50 + '"xxxxxxxx",' * 30_000 + "!}",
        '{"a":[' * 50 + "{}," * 30_000 + "!}",
        '{"steps": [' + "[" * 300_000,
        '{"steps": [{"x": "' + "y}" * 200_000,
        '{"steps": [{"x": "' + "\\" * 200_001,
        '{"steps": []} ' + '{"step' * 50_000,
        "word " * 100_000,
        "}" * 300_000,
        '{"a": 1} ' * 50_000,
    ],
    ids=lambda value: value[:16] if isinstance(value, str) else str(value),
)
def test_the_work_is_bounded_on_hostile_texts(
    text: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from treadle.planner import stream as module

    handed = 0

    class Counting(module.JsonBuilder):
        def feed(self, text: str) -> list[tuple[str, Any]]:
            nonlocal handed
            handed += len(text)
            return super().feed(text)

    monkeypatch.setattr(module, "JsonBuilder", Counting)
    try:
        parts_of([text[at : at + size] for at in range(0, len(text), size)])
    except PlanError as error:
        assert error.code in CODES
    assert handed <= len(text) + module.MAX_RETRIED + 200_000


@pytest.mark.parametrize("char", ["a", "}", '\\"', "\\\\", "\\ud83d\\ude00", "é"])
@pytest.mark.parametrize("size", [1, 5, 4_096, 10**9])
def test_a_megabyte_of_text_in_one_argument(char: str, size: int) -> None:
    """Brackets and pairs of escapes inside of a text cost and break nothing, wherever it is cut."""
    raw = char * (1_000_000 // len(char))
    text = '{"steps": [{"id": "a", "args": {"x": "' + raw + '"}}]}'
    (part,) = parts_of([text[at : at + size] for at in range(0, len(text), size)])
    assert isinstance(part, StepText)
    assert part.document == json.loads(text)["steps"][0]


def test_white_space_without_an_end_before_the_first_key() -> None:
    text = "{" + "\n" * 100_000 + '"steps": [], "answer": "x"}'
    assert parts_of(list(text)) == [PlanField("answer", "x")]


@pytest.mark.parametrize("number", ["9" * 5_000, "1e99999999999999999999", "1e999"])
def test_numbers_without_end_name_the_syntax(number: str) -> None:
    text = '{"steps": [{"id": "a"}, {"id": "b", "args": {"x": ' + number + "}}]}"
    stream = PlanStream()
    for char in text[:-4]:
        stream.feed(char)
    with pytest.raises(PlanError) as caught:
        stream.feed(text[-4:])
    assert caught.value.code == "plan_syntax"
    assert stream.steps == 1


def test_half_a_pair_in_the_last_field() -> None:
    assert code_of('{"steps": [], "answer": "\\ud800"}') == "plan_encoding"
    assert code_of('{"steps": [], "answer": "a\\udc00b"}') in ("plan_encoding", "plan_syntax")


@given(st.text('{}[]":,\\ \nsteps1é\ud800', max_size=60), st.integers(1, 9))
def test_any_text_is_a_plan_or_an_error(text: str, size: int) -> None:
    try:
        parts_of([text[at : at + size] for at in range(0, len(text), size)])
    except PlanError as error:
        assert error.code in CODES
