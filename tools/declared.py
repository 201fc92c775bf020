"""What a tool declares about trust, money and checks: refused at once, not when it is used."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonSchema
from treadle.tools.effect import Effect
from treadle.tools.retry import Retry
from treadle.tools.signature import Signature
from treadle.tools.taint import carries_text

Approval: TypeAlias = Literal["allow", "ask", "deny"]
"""What becomes of a tool's calls where no rule in code is stricter."""


class Declared(Protocol):
    """What is looked at of a Tool."""

    @property
    def name(self) -> str: ...
    @property
    def function(self) -> Callable[..., object]: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def concurrency(self) -> int | None: ...
    @property
    def effect(self) -> Effect: ...
    @property
    def returns(self) -> JsonSchema: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def untrusted(self) -> bool | None: ...
    @property
    def sanitizes(self) -> bool: ...
    @property
    def cost(self) -> float | None: ...
    @property
    def retry(self) -> Retry | None: ...
    @property
    def result_size(self) -> int | None: ...
    @property
    def mock(self) -> Callable[..., object] | None: ...
    @property
    def verify(self) -> Callable[..., object] | None: ...
    @property
    def approval(self) -> Approval | None: ...


def check_declared(tool: Declared) -> None:
    """Refuse what makes no sense. Raises ConfigError (`bad_tool`)."""
    _check_types(tool)
    if tool.approval not in (None, "allow", "ask", "deny"):
        raise _bad(tool, f"approval is allow, ask or deny, not {tool.approval!r}")
    if tool.cost is not None and not _amount(tool.cost):
        raise _bad(tool, f"a call costs an amount of money, not {tool.cost!r}")
    size = tool.result_size
    if size is not None and not _count(size):
        raise _bad(tool, f"result_size is a number of bytes, not {size!r}")
    if tool.retry is not None:
        _check_retry(tool, tool.retry)
    if tool.sanitizes and carries_text(tool.returns):
        raise _bad(
            tool,
            "sanitizes says that its output holds nobody's text, and its type is not that strict: "
            "return numbers, truth values, a Literal, or a closed object of such",
        )
    if tool.mock is not None:
        _check_takes(tool, "mock", tool.mock, tool.signature, ())
    if tool.verify is not None:
        _check_takes(tool, "verify", tool.verify, tool.signature, (None,))


_TEXTS = ("name", "description", "identity")
_FLAGS = (
    "is_async", "calls_model", "idempotent", "open_world", "sanitizes", "guards_calls",
)  # fmt: skip
_FUNCTIONS = ("function", "undo", "reconcile")


def _check_types(tool: Declared) -> None:
    """A value of a wrong type would be taken for a yes, or fail in the middle of a run."""
    for option in _TEXTS:
        if not isinstance(getattr(tool, option), str):
            raise _bad(tool, f"{option} is a text, not {getattr(tool, option)!r}")
    if not tool.name.strip():
        raise _bad(tool, "its name is empty")
    if not isinstance(tool.effect, Effect):
        raise _bad(tool, f"effect is an Effect, not {tool.effect!r}")
    for option in _FLAGS:
        if not isinstance(getattr(tool, option), bool):
            raise _bad(tool, f"{option} is True or False, not {getattr(tool, option)!r}")
    if tool.untrusted is not None and not isinstance(tool.untrusted, bool):
        raise _bad(tool, f"untrusted is True, False or None, not {tool.untrusted!r}")
    for option in _FUNCTIONS:
        function = getattr(tool, option)
        if not callable(function) and (function is not None or option == "function"):
            raise _bad(tool, f"{option} is not a function")
    if tool.timeout is not None and not (_amount(tool.timeout) and tool.timeout > 0):
        raise _bad(tool, f"timeout is a number of seconds above 0, not {tool.timeout!r}")
    if tool.concurrency is not None and not _count(tool.concurrency):
        raise _bad(tool, f"concurrency is a whole number of at least 1, not {tool.concurrency!r}")


def _check_retry(tool: Declared, retry: object) -> None:
    if not isinstance(retry, Retry) or not _count(retry.attempts) or retry.attempts > 100:
        raise _bad(tool, f"retry is a Retry of 1 to 100 attempts, not {retry!r}")
    if not (_amount(retry.delay) and _amount(retry.max_delay)):
        raise _bad(tool, "a retry waits a number of seconds")
    if retry.attempts > 1 and not tool.effect.repeatable:
        raise _bad(tool, f"retry is for pure and read tools; effect is '{tool.effect}'")


def _check_takes(
    tool: Declared,
    option: str,
    function: Callable[..., object],
    signature: Signature,
    leading: tuple[None, ...],
) -> None:
    if not callable(function):
        raise _bad(tool, f"{option} is not a function")
    try:
        takes = inspect.signature(function)
    except ValueError:
        return  # written in C, and does not say what it takes
    for names in (signature.names, tuple(signature.required)):
        try:
            takes.bind(*leading, **dict.fromkeys(names))
        except TypeError as error:
            wanted = f"{option}({'result, ' if leading else ''}{', '.join(signature.names)})"
            raise _bad(
                tool, f"{option} is called as {wanted}, where what has a default may be left out: "
                f"{error}"
            ) from None  # fmt: skip


def _amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _bad(tool: Declared, reason: str) -> ConfigError:
    return ConfigError("bad_tool", f"tool '{tool.name}': {reason}")
