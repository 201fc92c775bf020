"""`@tool`: make a function a tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

from treadle.core.errors import ConfigError
from treadle.core.ids import TOOL_NAME
from treadle.tools.declared import Approval
from treadle.tools.effect import Effect
from treadle.tools.limits import CircuitBreaker, RateLimit
from treadle.tools.retry import Retry
from treadle.tools.secrets import Secret, scopes_of
from treadle.tools.signature import described, signature_of
from treadle.tools.tool import Tool
from treadle.tools.undoing import check_undoing, is_async


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | str = Effect.READ,
    timeout: float | None = None,
    concurrency: int | None = None,
    calls_model: bool = False,
    undo: Callable[..., object] | None = None,
    reconcile: Callable[..., object] | None = None,
    idempotent: bool = False,
    rate: RateLimit | None = None,
    circuit: CircuitBreaker | None = None,
    hedge: float | None = None,
    cache: float | None = None,
    open_world: bool = False,
    untrusted: bool | None = None,
    sanitizes: bool = False,
    guards_calls: bool = False,
    scopes: str | Iterable[str | Secret] = (),
    cost: float | None = None,
    retry: Retry | int | None = None,
    result_size: int | None = None,
    mock: Callable[..., object] | None = None,
    verify: Callable[..., object] | None = None,
    approval: Approval | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | str = Effect.READ,
    timeout: float | None = None,
    concurrency: int | None = None,
    calls_model: bool = False,
    undo: Callable[..., object] | None = None,
    reconcile: Callable[..., object] | None = None,
    idempotent: bool = False,
    rate: RateLimit | None = None,
    circuit: CircuitBreaker | None = None,
    hedge: float | None = None,
    cache: float | None = None,
    open_world: bool = False,
    untrusted: bool | None = None,
    sanitizes: bool = False,
    guards_calls: bool = False,
    scopes: str | Iterable[str | Secret] = (),
    cost: float | None = None,
    retry: Retry | int | None = None,
    result_size: int | None = None,
    mock: Callable[..., object] | None = None,
    verify: Callable[..., object] | None = None,
    approval: Approval | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function, sync or async, a Tool.

    The schema comes from its type hints, the descriptions from its docstring (Google, NumPy or
    Sphinx style). Synchronous functions run in a thread of their own. The output of a generator
    function, sync or async, is the list of what it yields; a step that runs for each of its items
    starts on the first while the others still come.

    name: the function's name by default.
    effect: "pure", "read" (default), "write" or "irreversible"; see `Effect`.
    timeout: seconds for one call.
    concurrency: how many calls may run at once in a run.
    calls_model: whether a call asks a language model.
    undo: takes a call back, sync or async: `undo(result, **arguments)`.
    reconcile: tells, after a crash, what a call gave: `reconcile(**arguments)`, None when it did
        not happen.
    idempotent: whether calling again with the same idempotency key has no further effect; the
        function gets it in a parameter `idempotency_key`, if it has one, which models do not see.
    rate: how many calls may start in how much time; the others wait for their turn.
    circuit: after how many failures in a row the tool is left alone, and for how long.
    hedge: seconds after which a second identical call starts beside a first that takes long;
        the first success counts. For pure and read tools.
    cache: seconds for which a result may be used again; identical calls at the same time share
        one. For pure tools.
    open_world: whether a call reaches somebody who is not trusted (the internet, a mailbox): what
        it gives is labelled, and what is labelled does not reach it without approval.
    untrusted: whether what it gives is labelled, where that is not what `open_world` says.
    sanitizes: whether what it gives is clean whatever it was made from; for types without text.
    guards_calls: whether it makes calls that are each looked at by themselves, as an agent's are.
    scopes: names of the secrets that a call may reveal; see `Secret`.
    cost: money for one call; counts in `Budget(cost)`.
    retry: how often a call that failed is made again where its step says nothing; a Retry, or a
        number of attempts. For pure and read tools.
    result_size: bytes of JSON that a result may have; a larger one fails with `result_too_large`.
    mock: stands in for the function under `Runtime(dry_run=True)`.
    verify: whether a result counts, sync or async: `verify(result, **arguments)`. Where it gives
        False the call fails, and is taken back where there is an undo.
    approval: "allow", "ask" or "deny", where no rule of a policy is stricter.

    Raises ConfigError (`bad_tool`) for what cannot be described to a model.
    """

    def make(function: Callable[..., Any]) -> Tool:
        tool_name = getattr(function, "__name__", "") if name is None else name
        if not isinstance(tool_name, str) or not TOOL_NAME.fullmatch(tool_name):
            raise ConfigError(
                "bad_tool",
                f"'{tool_name}' is no name for a tool; use letters, digits, '_', '-' and '.', "
                f"starting with a letter",
            )
        try:
            effect_class = Effect(effect)
        except ValueError:
            raise ConfigError(
                "bad_tool", f"tool '{tool_name}': effect '{effect}' is none of {', '.join(Effect)}"
            ) from None
        signature = signature_of(function, tool_name, keyed=idempotent)
        check_undoing(
            tool_name,
            effect_class,
            signature,
            undo=undo,
            reconcile=reconcile,
            idempotent=idempotent,
        )
        return Tool(
            name=tool_name,
            description=described(function) if description in (None, "") else description,
            signature=signature,
            function=function,
            is_async=is_async(function),
            effect=effect_class,
            timeout=timeout,
            concurrency=concurrency,
            calls_model=calls_model,
            undo=undo,
            reconcile=reconcile,
            idempotent=idempotent,
            rate=rate,
            circuit=circuit,
            hedge=hedge,
            cache=cache,
            open_world=open_world,
            untrusted=untrusted,
            sanitizes=sanitizes,
            guards_calls=guards_calls,
            scopes=scopes_of(tool_name, scopes),
            cost=cost,
            retry=Retry(retry) if isinstance(retry, int) else retry,
            result_size=result_size,
            mock=mock,
            verify=verify,
            approval=approval,
        )

    return make if function is None else make(function)
