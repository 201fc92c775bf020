"""Undo, reconcile, idempotency keys and fingerprints of tools."""

import asyncio
import dataclasses
import functools
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from treadle import Tool, tool
from treadle.core.errors import ConfigError, InputError, ToolError


class Amount(BaseModel):
    value: int


class Ledger:
    """Somewhere outside, with what happened to it."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.threads: list[str] = []

    def undo(self, result: Any, to: str, amount: Amount, note: str = "") -> None:
        self.threads.append(threading.current_thread().name)
        self.entries.append(("undo", result, to, amount, note))

    async def undo_async(self, result: Any, **arguments: Any) -> None:
        self.entries.append(("undo", result, arguments))


def paying(**options: Any) -> Tool:
    @tool(effect="write", **options)
    def pay(to: str, amount: Amount, note: str = "") -> int:
        """Pay."""
        return amount.value

    return pay


async def code_of(waiting: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await waiting
    return caught.value


GIVEN: dict[str, Any] = {"to": "ann", "amount": {"value": 3}}


async def test_undo_gets_the_result_and_the_checked_arguments() -> None:
    ledger = Ledger()
    await paying(undo=ledger.undo).compensate(3, GIVEN)
    await paying(undo=ledger.undo_async).compensate(3, GIVEN)
    await paying(undo=lambda result, **given: ledger.undo_async(result, **given)).compensate(
        3, GIVEN
    )
    checked = {"to": "ann", "amount": Amount(value=3)}
    assert ledger.entries == [
        ("undo", 3, "ann", Amount(value=3), ""),
        ("undo", 3, checked),
        ("undo", 3, checked),
    ]
    assert ledger.threads != [threading.main_thread().name]
    wrong = await code_of(paying(undo=ledger.undo).compensate(3, {"to": "ann"}))
    assert wrong.code == "invalid_arguments"
    assert len(ledger.entries) == 3


async def test_reconcile_tells_what_a_call_gave() -> None:
    found: dict[str, Any] = {"ann": "3", "eve": "no number"}

    async def later(**given: Any) -> Any:
        return found.get(given["to"])

    def at_once(to: str, **_: Any) -> Any:
        return found.get(to)

    for reconcile in (later, at_once):
        pay = paying(reconcile=reconcile)
        assert await pay.reconciled(GIVEN) == 3
        assert await pay.reconciled({**GIVEN, "to": "bob"}) is None
        failed = await code_of(pay.reconciled({**GIVEN, "to": "eve"}))
        assert failed.code == "invalid_output"


async def test_failures_of_undo_and_reconcile_are_coded() -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("no luck")

    def own(*_: Any, **__: Any) -> None:
        raise ToolError("too_late", "the day is over")

    def other(*_: Any, **__: Any) -> None:
        raise InputError("bad_day", "no such day")

    def leaves(*_: Any, **__: Any) -> None:
        raise SystemExit(3)

    async def gives_up(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    async def waits(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    async def own_timeout(*_: Any, **__: Any) -> None:
        raise TimeoutError("upstream")

    for function in (fails, other, leaves, gives_up, own_timeout, waits, own):
        pay = paying(undo=function, reconcile=function)
        seconds = 0.05 if function is waits else None
        undoing = await code_of(pay.compensate(3, GIVEN, timeout=seconds))
        reconciling = await code_of(pay.reconciled(GIVEN, timeout=seconds))
        expected = ("too_late",) * 2 if function is own else ("undo_failed", "reconcile_failed")
        assert (undoing.code, reconciling.code) == expected, function.__name__
    assert "ValueError: no luck" in (await code_of(paying(undo=fails).compensate(3, GIVEN))).message
    assert (await code_of(paying().compensate(3, GIVEN))).code == "not_undoable"
    assert (await code_of(paying().reconciled(GIVEN))).code == "not_reconcilable"


async def test_an_undo_can_be_cancelled() -> None:
    started = asyncio.Event()

    async def waits(result: Any, **_: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(paying(undo=waits).compensate(3, GIVEN))
        await started.wait()
        task.cancel()
    assert task.cancelled()


async def test_the_idempotency_key_is_filled_in_and_not_shown() -> None:
    @tool(effect="irreversible", idempotent=True)
    def send(to: str, body: str = "", *, idempotency_key: str) -> list[str]:
        """Send.

        Args:
            to: who
            idempotency_key: of the call
        """
        return [to, body, idempotency_key]

    assert "idempotency_key" not in str(send.spec)
    assert send.signature.names == ("to", "body")
    assert await send.call({"to": "ann"}, idempotency_key="k") == ["ann", "", "k"]
    keys = {(await send.call({"to": "ann"}))[2] for _ in range(3)}  # type: ignore[index,call-overload]
    keys |= {send("ann", "hello")[2], send(to="ann")[2]}
    assert len(keys) == 5
    assert send("ann", idempotency_key="mine")[2] == "mine"
    given = await code_of(send.call({"to": "ann", "idempotency_key": "k"}))
    assert given.code == "invalid_arguments"

    @tool(effect="write", idempotent=True)
    def last(to: str, idempotency_key: str = "") -> str:
        """The key may also stand last."""
        return idempotency_key

    assert await last.call({"to": "ann"}, idempotency_key="k") == "k"
    assert last("ann", "given") == "given"
    assert last("ann")


async def test_without_idempotent_the_name_is_nothing_special() -> None:
    @tool(effect="write")
    def send(idempotency_key: str) -> str:
        """Send."""
        return idempotency_key

    assert await send.call({"idempotency_key": "a"}, idempotency_key="k") == "a"


def test_what_cannot_work_is_refused_when_declared() -> None:
    def nothing() -> None: ...

    def number(a: int, b: int = 0) -> int:
        return a + b

    def key_first(idempotency_key: str, a: int) -> int:
        return a

    def key_number(a: int, idempotency_key: int) -> int:
        return a

    def ok(*_: Any, **__: Any) -> None: ...

    refused: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (number, {"effect": "read", "undo": ok}),
        (number, {"effect": "pure", "reconcile": ok}),
        (number, {"idempotent": True}),
        (number, {"effect": "write", "undo": "undo"}),
        (number, {"effect": "write", "reconcile": 3}),
        (number, {"effect": "write", "undo": lambda result, a: None}),
        (number, {"effect": "write", "undo": lambda result, a, b: None}),
        (number, {"effect": "write", "undo": lambda a, b=0: None}),
        (number, {"effect": "write", "reconcile": lambda result, a, b=0: None}),
        (nothing, {"effect": "write", "reconcile": ok}),
        (key_first, {"effect": "write", "idempotent": True}),
        (key_number, {"effect": "write", "idempotent": True}),
    ]
    for function, options in refused:
        with pytest.raises(ConfigError) as caught:
            tool(**options)(function)
        assert caught.value.code == "bad_tool", (function.__name__, options)
    made = tool(effect="write", undo=ok, reconcile=ok, idempotent=True)(number)
    assert made.idempotent


def test_the_fingerprint_changes_with_what_the_tool_is() -> None:
    def undo(result: Any, **_: Any) -> None: ...

    variants = [
        paying(),
        paying(name="other"),
        paying(undo=undo),
        paying(reconcile=lambda **_: None),
        paying(idempotent=True),
    ]
    assert len({each.fingerprint for each in variants}) == len(variants)
    assert paying().fingerprint == variants[0].fingerprint
    assert variants[0].fingerprint == variants[0].fingerprint
    assert len(variants[0].fingerprint) == 64
    # What limits a call is not what it is.
    assert paying(timeout=3).fingerprint == variants[0].fingerprint


def test_the_fingerprint_sees_the_code_with_and_without_source() -> None:
    def compiled(body: str) -> str:
        namespace: dict[str, Any] = {}
        exec(f"def f(a: int) -> int:\n    return {body}", namespace)
        return tool(namespace["f"]).fingerprint

    assert compiled("a + 1") == compiled("a + 1")
    bodies = ("a + 1", "a - 1", "a + 2", "abs(a)", "sum(x + 1 for x in [a])", "a in {'x', 'y'}")
    assert len({compiled(each) for each in bodies}) == len(bodies)

    class Adder:
        def add(self, a: int) -> int:
            return a + 1

        def __call__(self, a: int) -> int:
            return a + 2

    plain = tool(name="add")(Adder().add)
    called = functools.update_wrapper(Adder(), Adder.add)
    for same in (Adder().add, called, functools.partial(Adder.add, Adder())):
        assert dataclasses.replace(plain, function=same).fingerprint == plain.fingerprint
    for callable_object in (Adder(), functools.partial(Adder()), abs):
        made = dataclasses.replace(plain, function=callable_object)
        assert made.fingerprint != plain.fingerprint
        assert made.fingerprint == dataclasses.replace(made).fingerprint


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    script = (
        "from treadle import tool\n"
        "def f(a: str) -> bool:\n"
        "    return a in {'x', 'y', 'z', 'long'} or any(b in {'p', 'q'} for b in a)\n"
        "print(tool(f).fingerprint)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
