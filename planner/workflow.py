"""`@workflow`: Python code as the author of a plan.

The function runs once, at tracing time: calling a tool or an agent in it adds a step and returns
a Handle; a Handle passed on makes an edge; what the function returns is the answer.
"""

from __future__ import annotations

import functools
import inspect
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn

from treadle.core.errors import ConfigError, PlanError
from treadle.core.json_value import JsonValue
from treadle.planner.plan import Plan, read_answer
from treadle.planner.reference import Reference, escape
from treadle.planner.step import ITEM_NAMES, Step
from treadle.tools import Tool
from treadle.tools.tool import active_trace

# What a Handle leaves in a text. Nobody else's text can hold it: else text from a file could
# refer to steps.
_SECRET = secrets.token_hex(8)
_MARK = re.compile(f"\x02{_SECRET}:(.*?):{_SECRET}\x03", re.DOTALL)

_options: ContextVar[dict[str, Any]] = ContextVar("treadle_step_options", default={})  # noqa: B039


class Handle:
    """The output that a step will have; `handle["field"][0]` is a part of it.

    It can be passed to other calls, put into lists, dicts and f-strings, and returned. Its value
    is not known yet: whatever needs it now (`if`, `for`, `==`, `+`) raises PlanError
    (`unknown_value`).
    """

    __slots__ = ("_reference",)

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    def __getitem__(self, key: str | int) -> Handle:
        if isinstance(key, bool) or not isinstance(key, str | int):
            self._refuse(f"[{key!r}]")
        return Handle(Reference(self._reference.step, (*self._reference.path, key)))

    def __str__(self) -> str:
        return f"\x02{_SECRET}:{self._reference}:{_SECRET}\x03"

    def __format__(self, spec: str) -> str:
        if spec:
            self._refuse(f"the format '{spec}'")
        return str(self)

    def __repr__(self) -> str:
        return f"Handle({self._reference})"

    def _refuse(self, what: str) -> NoReturn:
        raise PlanError(
            "unknown_value",
            f"{what} needs the value of {self._reference}, which is not known while the plan is "
            f"made; let a tool do it, or use step(..., when=...) or step(..., for_each=...)",
        )

    def __bool__(self) -> bool:
        self._refuse("a condition")

    def __iter__(self) -> NoReturn:
        self._refuse("a loop")

    def __len__(self) -> int:
        self._refuse("len()")

    def __int__(self) -> int:
        self._refuse("int()")

    def __float__(self) -> float:
        self._refuse("float()")

    def __contains__(self, item: object) -> bool:
        self._refuse("in")

    def __await__(self) -> NoReturn:
        self._refuse("await")

    def __hash__(self) -> int:
        self._refuse("a set or a key")

    def __index__(self) -> int:
        self._refuse("an index")

    def __eq__(self, other: object) -> bool:
        self._refuse("a comparison")

    def _operator(self, other: object) -> NoReturn:
        self._refuse("arithmetic or a comparison")

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _operator
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operator
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _operator
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __divmod__ = __rdivmod__ = _operator
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _operator
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _operator

    def _unary(self, digits: object = None) -> NoReturn:
        self._refuse("arithmetic")

    __neg__ = __pos__ = __abs__ = __invert__ = __round__ = _unary

    def __aiter__(self) -> NoReturn:
        self._refuse("a loop")

    def __reversed__(self) -> NoReturn:
        self._refuse("a loop")


ITEM = Handle(Reference("item"))
"""Inside `step(..., for_each=...)`: the item that the call is for."""

INDEX = Handle(Reference("index"))
"""Inside `step(..., for_each=...)`: the number of the item, from 0."""


class Workflow:
    """What `@workflow` makes of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if (
            inspect.iscoroutinefunction(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise ConfigError(
                "bad_workflow", f"'{function.__name__}' must be a plain function: it only plans"
            )
        self.function = function
        functools.update_wrapper(self, function)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The plan for these arguments.

        Raises PlanError: `unknown_value` for control flow over a Handle, and what Plan raises.
        """
        tracer = _Tracer()
        token = active_trace.set(tracer.call)
        try:
            answer = self.function(*args, **kwargs)
        finally:
            active_trace.reset(token)
        return Plan(tuple(tracer.steps), read_answer(_wire(answer)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside another workflow: its steps become part of that one's plan."""
        if active_trace.get() is None:
            raise ConfigError(
                "not_in_workflow",
                f"run it by runtime.run({self.function.__name__}.plan(...))",
            )
        return self.function(*args, **kwargs)


def workflow(function: Callable[..., Any]) -> Workflow:
    """Make a function that calls tools and agents the author of a plan.

    Raises ConfigError (`bad_workflow`) for a coroutine or generator function.
    """
    return Workflow(function)


def step(
    tool: Callable[..., Any],
    *,
    id: str | None = None,  # noqa: A002 - the field is called so everywhere
    after: Sequence[Handle] = (),
    when: str | Handle | None = None,
    for_each: Handle | list[Any] | None = None,
    note: str | None = None,
    timeout: float | None = None,
    retry: int | Mapping[str, float] | None = None,
    on_failure: str | None = None,
) -> Callable[..., Handle]:
    """`step(tool, when=...)(arguments)` adds a step with options that a plain call cannot give.

    when: a Handle, or a condition as an f-string such as f"{count} > 3".
    for_each: a list or a Handle of one; the arguments use ITEM and INDEX.
    The others are the fields of `Step`.
    """

    def call(*args: Any, **kwargs: Any) -> Handle:
        options = {
            "id": id,
            "after": [_step_of(each) for each in after] or None,
            "when": None if when is None else _wire(when),
            "for_each": None if for_each is None else _wire(for_each),
            "note": note,
            "timeout": timeout,
            "retry": dict(retry) if isinstance(retry, Mapping) else retry,
            "on_failure": on_failure,
        }
        token = _options.set({name: value for name, value in options.items() if value is not None})
        try:
            handle = tool(*args, **kwargs)
        finally:
            _options.reset(token)
        if not isinstance(handle, Handle):
            raise ConfigError(
                "bad_workflow",
                f"step() takes a tool or an agent inside a workflow; {tool!r} added no step",
            )
        return handle

    return call


class _Tracer:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._ids: set[str] = set(ITEM_NAMES)

    def call(self, tool: Tool, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Handle:
        names = tool.signature.names
        if len(args) > len(names):
            raise PlanError(
                "invalid_arguments", f"'{tool.name}' takes {len(names)} arguments, not {len(args)}"
            )
        given = dict(zip(names, args, strict=False))
        twice = given.keys() & kwargs.keys()
        if twice:
            raise PlanError("invalid_arguments", f"'{tool.name}' got '{min(twice)}' twice")
        options = _options.get()
        step_id = str(options["id"]) if "id" in options else self._fresh(tool.name)
        document = {
            **options,
            "id": step_id,
            "tool": tool.name,
            "args": {name: _wire(value) for name, value in {**given, **kwargs}.items()},
        }
        self._ids.add(step_id)
        self.steps.append(Step.from_wire(document))
        return Handle(Reference(step_id))

    def _fresh(self, name: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        number = 1
        while (step_id := stem if number == 1 else f"{stem}_{number}") in self._ids:
            number += 1
        return step_id


def _step_of(handle: Handle) -> str:
    return handle._reference.step


def _wire(value: Any) -> JsonValue:
    """`value` in wire form: Handles become references, all other text is literal."""
    if isinstance(value, Handle):
        return str(value._reference)
    if isinstance(value, str):
        pieces = _MARK.split(value)
        last = len(pieces) - 1
        return "".join(
            piece if index % 2 else escape(piece, before_reference=index < last)
            for index, piece in enumerate(pieces)
        )
    if isinstance(value, Mapping):
        return {key: _wire(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return _wire(dump(mode="json"))
    raise PlanError("not_json", f"a {type(value).__name__} cannot stand in a plan")
