"""Errors: one root, stable codes, a message that says what happened and what to do."""

from __future__ import annotations

from dataclasses import dataclass


class TreadleError(Exception):
    """The root of every error that Treadle raises on purpose.

    `code` is stable and listed in docs/errors.md; `message` says what happened and what to do
    about it. Programs branch on `code`, people read `message`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ConfigError(TreadleError):
    """A setting, a command-line option or an import path is wrong. Fix it and start again."""


class InputError(TreadleError):
    """What a caller handed in (a task, a file, a document) cannot be used as it is."""


class PlanError(TreadleError):
    """A plan, or one step of it, is malformed; `step_id` names the step where there is one."""

    def __init__(self, code: str, message: str, *, step_id: str | None = None) -> None:
        super().__init__(code, message if step_id is None else f"step '{step_id}': {message}")
        self.step_id = step_id


class ToolError(TreadleError):
    """A tool refused its arguments or failed.

    Tools raise it to fail with a code of their own; any other exception from a tool becomes
    `tool_failed`. `retryable` says whether the same call may work later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.retryable = retryable


class ModelError(TreadleError):
    """A model could not be reached, refused, or sent something unusable.

    `retryable` says whether the same request may work later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.retryable = retryable


class BudgetExceeded(TreadleError):
    """The run's budget refuses the next call; what was done so far is kept.

    used: so far, with what calls under way have reserved.
    needed: what the call would have taken at least, where that is known.
    """

    def __init__(self, resource: str, limit: float, used: float, needed: float = 0) -> None:
        what = (
            f"is used up ({used:g} used)"
            if used >= limit or not needed
            else f"does not allow this call ({used:g} used or reserved, {needed:g} needed)"
        )
        unit = "in money" if resource == "cost" else resource
        super().__init__(
            "budget_exceeded",
            f"the budget of {limit:g} {unit} {what}: raise it or make the task smaller",
        )
        self.resource = resource
        self.limit = limit
        self.used = used
        self.needed = needed


class RunError(TreadleError):
    """A run could not be carried out as asked (it was cancelled, or nobody may decide)."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as data: what events, results and JSON carry."""

    code: str
    message: str
    step_id: str | None = None

    @classmethod
    def of(cls, error: BaseException, step_id: str | None = None) -> ErrorInfo:
        """The record of `error`; a foreign exception is named by its type."""
        if isinstance(error, TreadleError):
            own_step = getattr(error, "step_id", None)
            return cls(error.code, error.message, step_id or own_step)
        text = str(error).strip() or "no message"
        return cls("tool_failed", f"{type(error).__name__}: {text}", step_id)

    def as_json(self) -> dict[str, str]:
        """`{"code", "message", "step"?}`."""
        record = {"code": self.code, "message": self.message}
        if self.step_id is not None:
            record["step"] = self.step_id
        return record

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
