"""A tool: a function with a schema, an effect and limits."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

from treadle.core.chat import FunctionSpec
from treadle.core.errors import ToolError, TreadleError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.core.program import current_program
from treadle.core.secrets import SecretProvider, any_known, redact_error, redacted
from treadle.core.taint import current_taint, label_of
from treadle.core.threads import run_in_thread
from treadle.tools.declared import Approval, check_declared
from treadle.tools.effect import Effect
from treadle.tools.fingerprint import code_of, fingerprint_of
from treadle.tools.limits import CircuitBreaker, RateLimit, check_limits
from treadle.tools.results import check_size, check_verified
from treadle.tools.retry import Retry
from treadle.tools.secrets import grant_in_force, granted
from treadle.tools.signature import IDEMPOTENCY_KEY, Signature
from treadle.tools.streaming import TakeItem, collected
from treadle.tools.undoing import bounded, is_async

DEFAULT_TIMEOUT = 60.0
"""Seconds that a call may take where neither the tool nor the step says otherwise."""

Trace: TypeAlias = Callable[["Tool", tuple[object, ...], Mapping[str, object]], object]

active_trace: ContextVar[Trace | None] = ContextVar("treadle_trace", default=None)
"""While a workflow is being traced: what turns the call of a tool into a step."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Tool:
    """A named function that plans and agents can call.

    name: letters, digits, `_`, `-`, `.`; unique within a registry.
    description: what the model reads; first line of the docstring by default.
    signature: names, types and checks of the arguments and the output.
    effect: what a call does to the world.
    timeout: seconds for one call, None for DEFAULT_TIMEOUT.
    concurrency: how many calls may run at once in a run, None for no limit of its own.
    calls_model: whether a call asks a language model; the serving layer is told what is to come.
    undo: takes a call back, as `undo(result, **arguments)`.
    reconcile: what a call gave whose end nobody saw, as `reconcile(**arguments)`; None when it did
        not happen.
    idempotent: whether calling again with the same idempotency key has no further effect.
    rate: how many calls may start in how much time, None for any number.
    circuit: after how many failures in a row it is left alone, None for never.
    hedge: seconds after which a second identical call starts beside a first that takes long.
    cache: seconds for which a result may be used again, and identical calls share one.
    open_world: whether a call reaches somebody who is not trusted: what it gives is labelled, and
        labelled arguments do not reach it without approval. See docs/tools.md.
    untrusted: whether what it gives is labelled; None for what `open_world` says.
    sanitizes: whether what it gives is clean whatever it was made from; for outputs without text.
    guards_calls: whether each call that it makes is looked at by itself (agents, nested runs).
    scopes: names of the secrets that a call may reveal; see `Secret`.
    cost: money for one call, in the currency of the prices.
    retry: what a step has that says nothing of retries; for pure and read tools.
    result_size: bytes of JSON that a result may have; None for any size.
    mock: stands in for the function in a dry run, with the same arguments.
    verify: whether a result counts, as `verify(result, **arguments)`; False, or an error, fails
        the call, and takes it back where there is an undo.
    approval: what becomes of calls where no rule is stricter; None for what the effect says.
    identity: what the code alone does not tell of an imported tool; part of the fingerprint.

    What guards calls (`rate` to `cache`) is the runtime's to keep; `call` makes the bare call.
    Raises ConfigError (`bad_tool`) for a guard that the effect forbids.

    Calling a Tool calls its function; inside a `@workflow` it adds a step instead.
    """

    name: str
    description: str
    signature: Signature
    function: Callable[..., object]
    is_async: bool
    effect: Effect = Effect.READ
    timeout: float | None = None
    concurrency: int | None = None
    calls_model: bool = False
    undo: Callable[..., object] | None = None
    reconcile: Callable[..., object] | None = None
    idempotent: bool = False
    rate: RateLimit | None = None
    circuit: CircuitBreaker | None = None
    hedge: float | None = None
    cache: float | None = None
    open_world: bool = False
    untrusted: bool | None = None
    sanitizes: bool = False
    guards_calls: bool = False
    scopes: tuple[str, ...] = ()
    cost: float | None = None
    retry: Retry | None = None
    result_size: int | None = None
    mock: Callable[..., object] | None = None
    verify: Callable[..., object] | None = None
    approval: Approval | None = None
    identity: str = ""

    def __post_init__(self) -> None:
        check_declared(self)
        check_limits(
            self.name,
            self.effect,
            rate=self.rate,
            circuit=self.circuit,
            hedge=self.hedge,
            cache=self.cache,
        )

    @property
    def parameters(self) -> JsonSchema:
        """JSON schema of the arguments: one object, no additional properties."""
        return self.signature.parameters

    @property
    def returns(self) -> JsonSchema:
        """JSON schema of the output; empty when anything may come."""
        return self.signature.returns

    @property
    def gives_untrusted(self) -> bool:
        """Whether what it gives is labelled, whatever it was given."""
        return not self.sanitizes and (
            self.open_world if self.untrusted is None else self.untrusted
        )

    @property
    def is_sink(self) -> bool:
        """Whether labelled arguments may not reach it without approval."""
        return (self.open_world or not self.effect.repeatable) and not self.guards_calls

    @property
    def spec(self) -> FunctionSpec:
        """The tool as a model sees it."""
        return FunctionSpec(self.name, self.description, self.parameters)

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of the schema, the effect and the code: another one is another tool."""
        found = _fingerprints.get(self)
        if found is None:
            described: list[JsonValue] = [
                self.name,
                str(self.effect),
                dict(self.parameters),
                dict(self.returns),
                self.idempotent,
                self.undo is not None,
                self.reconcile is not None,
                *self._declared(),
            ]
            found = _fingerprints[self] = fingerprint_of(described, self.function)
        return found

    def _declared(self) -> list[JsonValue]:
        """What else makes it another tool, where it is said at all: old fingerprints stay."""
        said: dict[str, JsonValue] = {
            "open_world": self.open_world,
            "untrusted": self.gives_untrusted != self.open_world,
            "sanitizes": self.sanitizes,
            "scopes": list(self.scopes),
            "approval": self.approval,
            "identity": self.identity,
            "verify": None if self.verify is None else code_of(self.verify),
        }
        kept: dict[str, JsonValue] = {name: value for name, value in said.items() if value}
        return [kept] if kept else []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = active_trace.get()
        if trace is not None:
            return trace(self, args, kwargs)
        if self.signature.takes_key and len(args) <= len(self.signature.names):
            kwargs.setdefault(IDEMPOTENCY_KEY, secrets.token_hex(16))
        self._tell_caller()
        return self.function(*args, **kwargs)

    async def call(
        self,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        take: TakeItem | None = None,
    ) -> JsonValue:
        """Check `arguments`, call the function and return its output as a JSON value.

        timeout: seconds, in place of the tool's own; infinite where the caller sees to it.
        idempotency_key: for a tool that wants one; the same whenever the same call is repeated,
            a fresh one by default.
        take: told of each item as it comes, where the function yields them.

        Raises ToolError: `invalid_arguments`, `tool_timeout`, `stream_too_long`,
        `invalid_output`, `tool_failed` for any foreign exception, or the tool's own code.
        """
        checked = self.signature.check(self.name, arguments)
        if self.signature.takes_key:
            checked[IDEMPOTENCY_KEY] = idempotency_key or secrets.token_hex(16)
        seconds = timeout or self.timeout or DEFAULT_TIMEOUT
        self._tell_caller()
        if self.scopes or any_known() or grant_in_force():
            return await self._kept_secret(checked, take, seconds)
        if self.verify is not None:
            return await self._verified(checked, take, seconds)
        return await self._made(checked, take, seconds)

    def _tell_caller(self) -> None:
        """Where another tool calls this one, what that gives holds what this one gives."""
        around = current_taint.get()
        if around is not None and around.of is not self and self.gives_untrusted:
            around.add([label_of(self.name)])

    async def _made(
        self, checked: dict[str, object], take: TakeItem | None, seconds: float
    ) -> JsonValue:
        if seconds == inf:
            result = await self._invoke(checked, take)
        else:
            result = await self._bounded(checked, take, seconds)
        if self.signature.streams:
            output = cast(JsonValue, result)  # its items were checked one by one
        else:
            output = self.signature.output(self.name, result)
        if self.result_size is not None:
            check_size(self.name, output, self.result_size)
        return output

    async def _verified(
        self, checked: dict[str, object], take: TakeItem | None, seconds: float
    ) -> JsonValue:
        """A call whose result counts only if its check says so."""
        assert self.verify is not None
        arguments = {name: value for name, value in checked.items() if name != IDEMPOTENCY_KEY}
        output = await self._made(checked, take, seconds)
        try:
            await check_verified(self.name, self.verify, output, arguments, self.timeout)
        except ToolError as error:
            if self.undo is None:
                raise
            try:
                await self.compensate(output, arguments)
            except ToolError as failure:
                message = f"{error.message}; and it could not be taken back: {failure.message}"
                raise ToolError(error.code, message) from error
            message = f"{error.message}; it was taken back"
            raise ToolError(error.code, message, retryable=error.retryable) from error
        return output

    async def _kept_secret(
        self, checked: dict[str, object], take: TakeItem | None, seconds: float
    ) -> JsonValue:
        """A call that may see secrets; none of them leaves it."""
        work = self._made if self.verify is None else self._verified
        give = None if take is None else partial(_give_redacted, take)
        try:
            with granted(self.name, self.scopes, self._secrets()):
                return redacted(await work(checked, give, seconds))
        except TreadleError as error:
            redact_error(error)
            raise

    def _secrets(self) -> SecretProvider | None:
        program = current_program.get()
        return None if program is None else program.secrets

    async def compensate(
        self,
        result: JsonValue,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        secrets: SecretProvider | None = None,
    ) -> None:
        """Take back a call that was made with `arguments` and gave `result`.

        timeout: seconds, in place of the tool's own.
        secrets: knows their values; None for what the run around it has, or the environment.

        Raises ToolError: `not_undoable`, `invalid_arguments`, `undo_failed` for any foreign
        exception or no end in time, or the code of the tool's undo.
        """
        if self.undo is None:
            raise ToolError("not_undoable", f"'{self.name}' cannot be undone; do it by hand")
        checked = self.signature.check(self.name, arguments)
        await self._beside(
            partial(self.undo, result, **checked),
            secrets,
            asynchronous=is_async(self.undo),
            seconds=timeout or self.timeout or DEFAULT_TIMEOUT,
            code="undo_failed",
            title=f"undoing '{self.name}'",
        )

    async def _beside(
        self, call: Callable[[], object], secrets: SecretProvider | None, **how: Any
    ) -> Any:
        """What belongs to the tool beside its function; it may see the same secrets."""
        if not self.scopes:
            return await bounded(call, **how)
        try:
            with granted(self.name, self.scopes, secrets or self._secrets()):
                return await bounded(call, **how)
        except TreadleError as error:
            redact_error(error)
            raise

    async def reconciled(
        self, arguments: Mapping[str, Any], *, timeout: float | None = None
    ) -> JsonValue | None:
        """What a call with `arguments` gave whose end nobody saw; None: it did not happen.

        timeout: seconds, in place of the tool's own.

        Raises ToolError: `not_reconcilable`, `invalid_arguments`, `invalid_output`,
        `reconcile_failed` for any foreign exception or no answer in time, or a code of its own.
        """
        if self.reconcile is None:
            raise ToolError(
                "not_reconcilable", f"'{self.name}' cannot tell whether a call happened; look at it"
            )
        checked = self.signature.check(self.name, arguments)
        found = await self._beside(
            partial(self.reconcile, **checked),
            None,
            asynchronous=is_async(self.reconcile),
            seconds=timeout or self.timeout or DEFAULT_TIMEOUT,
            code="reconcile_failed",
            title=f"reconciling '{self.name}'",
        )
        return None if found is None else redacted(self.signature.output(self.name, found))

    async def _bounded(
        self, arguments: dict[str, object], take: TakeItem | None, seconds: float
    ) -> object:
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                return await self._invoke(arguments, take)
        except TimeoutError as error:
            raise timed_out(self.name, seconds) from error

    async def _invoke(self, arguments: dict[str, object], take: TakeItem | None) -> object:
        try:
            if self.signature.streams:
                check = partial(self.signature.item, self.name)
                return await collected(self.name, partial(self.function, **arguments), check, take)
            if self.is_async:
                return await cast(Awaitable[object], self.function(**arguments))
            return await run_in_thread(partial(self.function, **arguments))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The tool raised it by itself: that is a failure, not our cancellation.
            raise self._failure(error) from error
        except TreadleError:
            raise
        except (Exception, SystemExit, GeneratorExit, BaseExceptionGroup) as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> ToolError:
        text = str(error).strip()
        named = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return ToolError("tool_failed", f"'{self.name}' raised {named}", retryable=True)


def timed_out(name: str, seconds: float) -> ToolError:
    """The failure of a call of tool `name` that was given `seconds`."""
    return ToolError(
        "tool_timeout",
        f"'{name}' took more than {seconds:g} s; give it a longer timeout or less to do",
        retryable=True,
    )


def _give_redacted(take: TakeItem, item: JsonValue) -> None:
    take(redacted(item))


# Beside the tools, which are frozen; reading source files is for those who ask.
_fingerprints: WeakKeyDictionary[Tool, str] = WeakKeyDictionary()
