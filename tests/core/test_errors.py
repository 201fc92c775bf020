"""Errors carry codes, as exceptions and as data."""

from __future__ import annotations

import pytest

from treadle.core.errors import (
    BudgetExceeded,
    ConfigError,
    ErrorInfo,
    InputError,
    ModelError,
    PlanError,
    RunError,
    ToolError,
    TreadleError,
)
from treadle.core.payload import Payload


@pytest.mark.parametrize("kind", [ConfigError, InputError, ModelError, PlanError, RunError])
def test_every_error_has_a_code_and_a_message(kind: type[TreadleError]) -> None:
    error = kind("some_code", "what happened")
    assert isinstance(error, TreadleError)
    assert str(error) == "some_code: what happened"
    assert ErrorInfo.of(error) == ErrorInfo("some_code", "what happened")


def test_the_step_of_a_plan_error_is_kept() -> None:
    info = ErrorInfo.of(PlanError("bad", "no", step_id="a"))
    assert info.as_json() == {"code": "bad", "message": "step 'a': no", "step": "a"}


def test_a_foreign_error_is_named_by_its_type() -> None:
    assert (
        str(ErrorInfo.of(ZeroDivisionError(), "a")) == "tool_failed: ZeroDivisionError: no message"
    )


def test_a_budget_says_what_is_used_up() -> None:
    error = BudgetExceeded("tokens", 100, 120)
    assert (error.code, error.resource, error.limit, error.used) == (
        "budget_exceeded",
        "tokens",
        100,
        120,
    )


def test_retryable_is_said_by_whoever_knows() -> None:
    assert not ToolError("c", "m").retryable
    assert ModelError("c", "m", retryable=True).retryable


def test_an_erased_payload_says_so() -> None:
    payload = Payload({"a": 1})
    assert payload.value == {"a": 1}
    payload.erase()
    with pytest.raises(RunError, match="payload_erased"):
        _ = payload.value
    assert repr(payload) == "Payload(erased)"
