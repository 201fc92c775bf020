"""Brackets that close something: those outside of strings."""

import json

from hypothesis import given
from hypothesis import strategies as st

from treadle.planner.closing_bracket import ClosingBrackets


def positions(chunks: list[str]) -> list[int]:
    brackets = ClosingBrackets()
    before = 0
    found: list[int] = []
    for chunk in chunks:
        at = 0
        while (at := brackets.next_in(chunk, at)) >= 0:
            found.append(before + at)
        before += len(chunk)
    return found


values = st.recursive(
    st.text('a"\\}]{[\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('}"'), inner),
    max_leaves=8,
)


@given(values, st.integers(1, 5))
def test_in_json_all_but_those_in_strings(value: object, size: int) -> None:
    text = json.dumps(value)
    found = positions([text[at : at + size] for at in range(0, len(text), size)])
    assert found == positions([text])
    assert len(found) == _containers(value)
    assert all(text[at - 1] in "}]" for at in found)


def _containers(value: object) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_containers, value))
    return 1 + sum(map(_containers, value.values())) if isinstance(value, dict) else 0


def test_an_escape_may_be_cut() -> None:
    assert positions(['"a\\', '"}', '"}']) == [7]
    assert positions(['"', "\\", "\\", '"', "]"]) == [5]
