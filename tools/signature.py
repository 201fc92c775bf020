"""From a function's type hints and docstring to schemas and checks, through pydantic."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, cast, get_type_hints

import docstring_parser
from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreSchema, PydanticSerializationError
from typing_extensions import TypedDict

from treadle.core.errors import ConfigError, ToolError
from treadle.core.invalid import reason_of
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.tools.streaming import is_stream, yielded

IDEMPOTENCY_KEY = "idempotency_key"
"""The parameter of an idempotent tool that no model sees and every run fills in."""

_PLAIN = (str, int, bool, type(None))
_SAFE = 2**63
_MOST_BITS = 14_000
"""Of a whole number as JSON: Python itself refuses to write or read much longer ones."""


class _WithoutTitles(GenerateJsonSchema):
    """Titles repeat the names and cost tokens in every prompt."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        return _without_titles(super().generate(schema, mode))


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: _without_titles(each) for name, each in value.items()}
        elif key == "title" and isinstance(value, str):
            continue
        elif key not in ("default", "const", "enum", "examples"):
            kept[key] = _walk(value)
        else:
            kept[key] = value
    return kept


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_titles(value)
    if isinstance(value, list):
        return [_walk(each) for each in value]
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """Names, types and checks of a tool's arguments and output.

    parameters: JSON schema of the arguments object.
    returns: JSON schema of the output; empty when anything may come.
    names, required: the parameters in order, and those that have no default.
    takes_key: whether the function wants an idempotency key, which is none of them.
    streams: whether the function yields its output item by item.
    """

    parameters: JsonSchema
    returns: JsonSchema
    names: tuple[str, ...]
    required: frozenset[str]
    _complete: TypeAdapter[dict[str, Any]]
    _partial: TypeAdapter[dict[str, Any]]
    _returned: TypeAdapter[Any]
    _plain_output: type | None
    _item: TypeAdapter[Any] | None = None
    takes_key: bool = False
    streams: bool = False

    def check(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`arguments` in the types that the function wants.

        Raises ToolError (`invalid_arguments`) naming every argument that does not fit.
        """
        try:
            # Validation makes a dict of its own; a copy is for mappings of another kind.
            given = arguments if type(arguments) is dict else dict(arguments)
            # The validator itself: the adapter around it costs as much again.
            checked: dict[str, Any] = self._complete.validator.validate_python(given)
        except ValidationError as error:
            raise ToolError("invalid_arguments", f"'{tool}': {_explain(error)}") from None
        return checked

    def check_known(self, tool: str, known: Mapping[str, Any], open_names: frozenset[str]) -> None:
        """Check a call of which only some values are known yet.

        known: the arguments whose values are literal; open_names: those that come later.
        Raises ToolError (`invalid_arguments`).
        """
        for name in open_names - set(self.names):
            raise ToolError("invalid_arguments", f"'{tool}': {name}: there is no such parameter")
        missing = self.required - set(known) - open_names
        if missing:
            listed = ", ".join(name for name in self.names if name in missing)
            raise ToolError("invalid_arguments", f"'{tool}': missing: {listed}")
        try:
            self._partial.validator.validate_python(dict(known))
        except ValidationError as error:
            raise ToolError("invalid_arguments", f"'{tool}': {_explain(error)}") from None

    def output(self, tool: str, result: object) -> JsonValue:
        """`result` as a JSON value of the declared type. Raises ToolError (`invalid_output`)."""
        kind = type(result)
        if kind is self._plain_output:
            plain = cast("str | int | bool | None", result)
            if kind is not int or -_SAFE < cast(int, plain) < _SAFE:
                return plain
        return _as_json(tool, self._returned, result)

    def item(self, tool: str, item: object) -> JsonValue:
        """One item of a stream, as `output` does it with a whole one."""
        assert self._item is not None
        return _as_json(tool, self._item, item)


def _as_json(tool: str, wanted: TypeAdapter[Any], result: object) -> JsonValue:
    try:
        checked = wanted.validate_python(result)
        value = wanted.dump_python(checked, mode="json", warnings="error")
        if type(value) is int and value.bit_length() > _MOST_BITS:
            raise ValueError("a whole number of more than 4,000 digits")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a JSON value")
        elif not isinstance(value, _PLAIN):
            # The one complete check that the value survives a journal or a socket.
            json.dumps(value, allow_nan=False)
    except ValidationError as error:
        raise ToolError("invalid_output", f"'{tool}' returned {_explain(error)}") from None
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise ToolError("invalid_output", f"'{tool}' returned no JSON value: {error}") from None
    return value  # type: ignore[no-any-return]


def signature_of(function: Callable[..., object], name: str, *, keyed: bool = False) -> Signature:
    """Read the signature of `function`.

    keyed: a parameter `idempotency_key` is left out; the caller fills it in.

    Raises ConfigError (`bad_tool`) for a function that cannot be described: parameters that are
    positional-only or variadic, or types that have no JSON schema.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
        every = tuple(inspect.signature(function).parameters.values())
    except (NameError, TypeError) as error:
        raise ConfigError("bad_tool", f"tool '{name}': its type hints: {error}") from None
    except ValueError as error:
        # Written in C, and does not say what it takes.
        raise ConfigError("bad_tool", f"tool '{name}': {error}") from None
    documented = _documented_parameters(function)
    complete: dict[str, Any] = {}
    partial: dict[str, Any] = {}
    required: list[str] = []
    takes_key = False
    for parameter in every:
        if parameter.kind not in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise ConfigError(
                "bad_tool",
                f"tool '{name}': '{parameter}' cannot be passed by name; name every argument",
            )
        if keyed and parameter.name == IDEMPOTENCY_KEY:
            takes_key = True
            _check_key(name, every, hints.get(IDEMPOTENCY_KEY, str))
            continue
        annotation = _described(parameter, hints.get(parameter.name, Any), documented)
        partial[parameter.name] = NotRequired[annotation]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
            complete[parameter.name] = Required[annotation]
        else:
            complete[parameter.name] = NotRequired[annotation]
    returned = hints.get("return", Any)
    item = None
    try:
        if is_stream(function):
            each = yielded(returned)
            item, returned = _output_adapter(each), list[each]  # type: ignore[valid-type]
        arguments = _typed_dict(name, complete)
        output = _output_adapter(returned)
        parameters = arguments.json_schema(schema_generator=_WithoutTitles)
        returns = output.json_schema(mode="serialization", schema_generator=_WithoutTitles)
        partial_arguments = _typed_dict(name, partial)
    except (
        PydanticSchemaGenerationError,
        PydanticInvalidForJsonSchema,
        PydanticUserError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError("bad_tool", f"tool '{name}': {reason}") from None
    parameters.setdefault("properties", {})
    parameters["additionalProperties"] = False
    return Signature(
        parameters=parameters,
        returns=returns,
        names=tuple(complete),
        required=frozenset(required),
        _complete=arguments,
        _partial=partial_arguments,
        _returned=output,
        _plain_output=returned if returned in _PLAIN else None,
        _item=item,
        takes_key=takes_key,
        streams=item is not None,
    )


def described(function: Callable[..., object]) -> str:
    """The docstring of `function` without its sections on parameters and results."""
    parsed = docstring_parser.parse(inspect.getdoc(function) or "")
    parts = (parsed.short_description, parsed.long_description)
    return "\n\n".join(part for part in parts if part)


def _check_key(name: str, every: tuple[inspect.Parameter, ...], hint: object) -> None:
    if hint not in (str, Any, str | None):
        raise ConfigError("bad_tool", f"tool '{name}': {IDEMPOTENCY_KEY} is always a str")
    key = next(each for each in every if each.name == IDEMPOTENCY_KEY)
    if key.kind is not key.KEYWORD_ONLY and key is not every[-1]:
        # Else arguments given by position would be taken for it.
        raise ConfigError("bad_tool", f"tool '{name}': put {IDEMPOTENCY_KEY} last, or after a *")


def _output_adapter(returned: Any) -> TypeAdapter[Any]:
    try:
        # Else pydantic writes NaN and infinities as null without a word.
        return TypeAdapter(returned, config=ConfigDict(ser_json_inf_nan="constants"))
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
        return TypeAdapter(returned)  # a model has a configuration of its own


def _typed_dict(name: str, fields: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    # A TypedDict and not create_model: a model cannot have fields named `json` or `schema`.
    made: Any = cast(Any, TypedDict)(re.sub(r"\W", "_", name), fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    return TypeAdapter(made)


def _described(
    parameter: inspect.Parameter, annotation: object, documented: Mapping[str, str]
) -> Any:
    extra: dict[str, Any] = {}
    if parameter.default is not parameter.empty:
        try:
            extra["default"] = json.loads(json.dumps(parameter.default, allow_nan=False))
        except (TypeError, ValueError):
            extra = {}
    field = Field(description=documented.get(parameter.name), json_schema_extra=extra or None)
    return Annotated[annotation, field]


def _documented_parameters(function: Callable[..., object]) -> dict[str, str]:
    parsed = docstring_parser.parse(inspect.getdoc(function) or "")
    return {
        param.arg_name: " ".join(param.description.split())
        for param in parsed.params
        if param.description
    }


def _explain(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'a value'}: {reason_of(problem)}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    shown = "; ".join(problems[:5])
    return shown if len(problems) <= 5 else f"{shown}; and {len(problems) - 5} more"
