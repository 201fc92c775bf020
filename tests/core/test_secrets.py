"""Values that were resolved are recognised however they are spelled."""

from __future__ import annotations

import base64
import io
import json
import logging
import secrets as random
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core import secrets
from treadle.core.errors import ToolError
from treadle.core.secrets import SHORTEST, redact_error, redacted, redacted_text, remember


@pytest.fixture(autouse=True, scope="module")
def _known_here_only() -> Iterator[None]:
    """Secrets are known to a whole process: those of these tests would be hidden in others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_known", dict(secrets._known))
        patch.setattr(secrets, "_numbers", dict(secrets._numbers))
        patch.setattr(secrets, "_ordered", secrets._ordered)
        yield


def fresh() -> str:
    return f'k/"{random.token_hex(6)} ü\\'


def test_every_usual_spelling_is_recognised() -> None:
    value = fresh()
    remember("KEY", value)
    encoded = base64.b64encode(value.encode()).decode()
    for spelling in (
        value, json.dumps(value), json.dumps(value, ensure_ascii=False), quote(value, safe=""),
        quote(value), quote_plus(value), encoded, encoded.rstrip("="), value.encode().hex(),
        json.dumps(json.dumps(value)),
    ):  # fmt: skip
        text = redacted_text(f"<{spelling}>")
        assert "[secret KEY]" in text
        assert spelling.strip('"') not in text


@pytest.mark.parametrize("before", ["", "a", "ab", "abc:"])
@pytest.mark.parametrize("after", ["", "z", "zy", "@host"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_within_base64_of_a_longer_text_is_recognised(
    encode: Callable[[bytes], bytes], before: str, after: str
) -> None:
    value = fresh()
    remember("PASSWORD", value)
    text = redacted_text(f"<{encode(f'{before}{value}{after}'.encode()).decode()}>")
    assert "[secret PASSWORD]" in text
    # A character at either end holds bits of the neighbour, too: no more than those stay.
    around = len(base64.b64encode(f"{before}{after}".encode())) + 4
    assert len(text) <= len("<[secret PASSWORD]>") + around


def test_the_longer_value_goes_first() -> None:
    short = random.token_hex(6)
    remember("SHORT", short)
    remember("LONG", f"{short}-and-more")
    assert redacted_text(f"{short}-and-more, {short}") == "[secret LONG], [secret SHORT]"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)))  # fmt: skip
def test_what_holds_none_stays_as_it_is(value: object) -> None:
    remember("X", "never-in-any-value-1234567890")
    assert redacted(value) == value  # type: ignore[arg-type]


def test_values_inside_are_found_wherever_they_are() -> None:
    value = random.token_hex(SHORTEST)
    remember("V", value)
    found = redacted({value: [1, {"a": f"x{value}y"}]})
    assert found == {"[secret V]": [1, {"a": "x[secret V]y"}]}


def test_an_error_loses_what_it_was_caused_by() -> None:
    value = random.token_hex(8)
    remember("E", value)
    try:
        try:
            raise ValueError(value)
        except ValueError as cause:
            raise ToolError("failed", f"it said {value}") from cause
    except ToolError as error:
        redact_error(error)
        assert (str(error), error.__cause__) == ("failed: it said [secret E]", None)


def test_log_records_with_a_wrong_format_are_left_to_logging() -> None:
    remember("L", random.token_hex(8))
    record = logging.getLogRecordFactory()("a", 10, "f", 1, "%d %d", ("x",), None)
    assert record.msg == "%d %d"


def test_a_traceback_in_the_log_does_not_tell() -> None:
    value = fresh()
    remember("KEY", value)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger("tests.secrets.traceback")
    log.addHandler(handler)
    log.propagate = False
    try:
        raise ValueError(f"GET https://host/?key={value}")
    except ValueError:
        log.exception("failed")
    finally:
        log.removeHandler(handler)
    assert "ValueError" in written.getvalue()
    assert value not in written.getvalue()


def test_a_number_that_spells_a_secret_is_found() -> None:
    pin = random.randbelow(10**11) + 10**11
    ratio = pin + 0.5
    remember("PIN", str(pin))
    remember("RATIO", repr(ratio))
    found = redacted({"a": pin, "b": [float(pin), -pin], "c": ratio, "d": pin + 1, "e": True})
    assert found == {
        "a": "[secret PIN]", "b": ["[secret PIN]"] * 2, "c": "[secret RATIO]", "d": pin + 1,
        "e": True,
    }  # fmt: skip


@given(st.from_regex(r"[0-9]{1,5}|0[0-9]{5,8}|0\.[0-9]{1,4}|1e9|٣٣٣٣٣٣٣", fullmatch=True))
def test_a_text_that_no_number_is_written_as_hides_none(value: str) -> None:
    remember("N", value)
    number = float(value)
    assert redacted(number) == number


@pytest.mark.parametrize("value", ["9" * 500, "8" * 5000])
def test_a_secret_of_very_many_digits_is_no_trouble(value: str) -> None:
    remember("LONG", value)
    number = int(value[:500])
    assert redacted(number) == ("[secret LONG]" if len(value) == 500 else number)
