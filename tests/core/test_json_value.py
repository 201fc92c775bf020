"""JSON text that is compact, canonical, and never out of the standard."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.json_value import as_text, canonical_json, compact_json

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_both_forms_read_back_as_the_value(value: object) -> None:
    assert json.loads(compact_json(value)) == value
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), values, min_size=1, max_size=5))
def test_the_canonical_form_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert canonical_json(value).isascii()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
@pytest.mark.parametrize("dump", [compact_json, canonical_json])
def test_what_is_no_json_is_refused(dump: object, value: object) -> None:
    assert callable(dump)
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump(value)


def test_as_text_leaves_strings_bare() -> None:
    assert as_text("ü") == "ü"
    assert as_text({"a": ["ü", None]}) == '{"a":["ü",null]}'
