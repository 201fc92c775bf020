"""From JSON text in pieces to values, and the checks on the way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import PlanError
from treadle.planner.json_builder import JsonBuilder

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=15,
)  # fmt: skip


def built(pieces: list[str]) -> list[tuple[str, Any]]:
    builder = JsonBuilder()
    done = [each for piece in pieces for each in builder.feed(piece)]
    assert builder.closed
    return done


@given(st.lists(json_values), json_values, st.integers(1, 9), st.booleans())
def test_the_same_values_as_the_json_module(
    steps: list[Any], answer: Any, size: int, ascii_only: bool
) -> None:
    document = {"steps": steps, "answer": answer}
    text = json.dumps(document, ensure_ascii=ascii_only)
    expected = [*(("steps", each) for each in steps), ("answer", answer)]
    for pieces in ([text], [text[at : at + size] for at in range(0, len(text), size)]):
        done = built(pieces)
        assert done == expected
        assert json.dumps(done) == json.dumps(expected)  # 1, 1.0 and True are told apart


@given(st.text('a\\u0dDcC8/"9eE\ud83d😀', max_size=12), st.integers(1, 7))
def test_surrogates_are_judged_alike_however_the_text_is_cut(raw: str, size: int) -> None:
    text = '{"answer": "' + raw + '"}'

    def outcome(pieces: list[str]) -> Any:
        try:
            return built(pieces)
        except (PlanError, AssertionError) as error:
            assert getattr(error, "code", "plan_syntax") in ("plan_syntax", "plan_encoding")
            return "error"  # which of two errors is found first depends on the cut

    whole = outcome([text])
    assert outcome([text[at : at + size] for at in range(0, len(text), size)]) == whole
    try:
        value = json.loads(text)["answer"]
        value.encode()
    except (ValueError, TypeError):
        assert whole == "error"
    else:
        assert whole == [("answer", value)]


@pytest.mark.parametrize(
    "escaped", ["\\ud800", "a\\udc00", "\\udc00", "\\ude00\\ud83d", "\\ud83d \\ude00", "\\n\\udfff"]
)
def test_half_a_pair_is_never_replaced_quietly(escaped: str) -> None:
    with pytest.raises(PlanError) as caught:
        built(['{"answer": "' + escaped + '"}'])
    assert caught.value.code in ("plan_encoding", "plan_syntax")


@pytest.mark.parametrize(
    "number",
    ["9" * 5_000, "-" + "1" * 100_000, "1e999", "-1E+9999", "1e99999999999999999999",
     "1e-99999999999999999999", "1." + "0" * 50 + "e9999999999", "NaN", "Infinity", "-Infinity"],
    ids=lambda text: text[:20],
)  # fmt: skip
@pytest.mark.parametrize("place", ['{{"steps": [{{"x": {}}}]}}', '{{"answer": {}}}'])
def test_numbers_that_python_refuses(number: str, place: str) -> None:
    """Not a crash: an integer that is too long leaves a broken event behind in the C parser."""
    with pytest.raises(PlanError) as caught:
        built([place.format(number)])
    assert caught.value.code == "plan_syntax"


def test_large_and_exact_numbers_are_kept() -> None:
    done = dict(built(['{"answer": [12345678901234567890123, 0.1, -0.0, 1e2, 5]}']))
    assert done["answer"] == [12345678901234567890123, 0.1, 0.0, 100.0, 5]
    assert [type(each) for each in done["answer"]] == [int, float, float, float, int]
