"""Tools from function specs: OpenAI's function-calling forms, and plain JSON schemas."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

from treadle.core.chat import FunctionSpec
from treadle.core.errors import ConfigError
from treadle.core.ids import TOOL_NAME
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.effect import Effect
from treadle.tools.registry import ToolRegistry
from treadle.tools.schema_signature import signature_for
from treadle.tools.tool import Tool
from treadle.tools.undoing import is_async

_REMOTE = re.compile(r'"\$ref": "(?!#)')

Call: TypeAlias = Callable[[str, dict[str, Any]], object]
"""Makes a call: the name of the function, and its arguments; sync or async."""


def tools_from_functions(
    specs: Iterable[Mapping[str, object] | FunctionSpec],
    call: Call,
    *,
    effect: Effect | str = Effect.WRITE,
    effects: Mapping[str, Effect | str] | None = None,
    open_world: bool = False,
) -> ToolRegistry:
    """Functions that others described, as tools; `call` makes their calls.

    specs: `{"type": "function", "function": {...}}` of chat completions, the flat
        `{"type": "function", "name", ...}` of responses, the old `{"name", "parameters"}`, and
        `{"name", "input_schema"}`; a function without parameters takes none.
    effect: of all of them; a write by default: a schema does not say what a call does. effects: of
        some, by name.
    open_world: whether what they give comes from somebody who is not trusted.

    Raises ConfigError: `bad_function_spec` naming the spec, `bad_tool`, `duplicate_tool`.
    """
    if not isinstance(specs, Iterable):
        raise ConfigError("bad_function_spec", "specs is a list of function specs")
    if not callable(call):
        raise ConfigError("bad_function_spec", "`call` is a function of a name and its arguments")
    told = dict(effects or {})
    tools = [
        _tool(spec, f"specs[{number}]", call, effect, told, open_world=open_world)
        for number, spec in enumerate(specs)
    ]
    unknown = told.keys() - {each.name for each in tools}
    if unknown:
        raise ConfigError("bad_function_spec", f"there is no function '{sorted(unknown)[0]}'")
    return ToolRegistry(tools)


def _tool(
    spec: object,
    place: str,
    call: Call,
    effect: Effect | str,
    told: Mapping[str, Effect | str],
    *,
    open_world: bool,
) -> Tool:
    if isinstance(spec, FunctionSpec):
        spec = {
            "name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)
        }  # fmt: skip
    if not isinstance(spec, Mapping):
        raise _bad(place, "a spec is an object")
    kind = spec.get("type", "function")
    if kind != "function":
        raise _bad(place, f"a tool of type '{str(kind)[:40]}' is no function")
    inner = spec.get("function", spec)
    if not isinstance(inner, Mapping):
        raise _bad(place, "'function' is an object")
    name, description = inner.get("name"), inner.get("description")
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise _bad(place, f"{str(name)[:60]!r} is no name for a tool")
    if description is not None and not isinstance(description, str):
        raise _bad(place, "'description' is a text")
    chosen = told.get(name, effect)
    if chosen not in list(Effect):
        raise ConfigError("bad_tool", f"tool '{name}': effect '{chosen}' is none")
    parameters = _parameters(inner, place)
    return Tool(
        name=name,
        description=description or "",
        signature=signature_for(parameters, {}),
        function=_calling(call, name),
        is_async=True,
        effect=Effect(chosen),
        open_world=open_world,
        identity=name,
    )


def _calling(call: Call, name: str) -> Callable[..., object]:
    asynchronous = is_async(call)

    async def function(**arguments: Any) -> Any:
        if asynchronous:
            made: Any = call(name, arguments)
            return await made
        result = await run_in_thread(partial(call, name, arguments))
        return await result if inspect.isawaitable(result) else result

    return function


def _parameters(inner: Mapping[str, object], place: str) -> dict[str, JsonValue]:
    """The schema of the arguments. With `strict` every one is required, as its writer promised."""
    from jsonschema import Draft202012Validator, SchemaError

    given = inner.get("parameters", inner.get("input_schema"))
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise _bad(place, "'parameters' is a JSON schema, an object")
    schema: dict[str, JsonValue] = {"type": "object", "properties": {}, **given}
    if schema["type"] != "object" or not isinstance(schema["properties"], dict):
        raise _bad(place, "the schema of arguments is one of an object")
    if _REMOTE.search(_text(schema, place)):
        raise _bad(place, "a $ref leads out of the schema; nothing is fetched")
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        raise _bad(place, f"parameters: {str(getattr(error, 'message', error))[:200]}") from None
    strict = inner.get("strict")
    if strict not in (None, True, False):
        raise _bad(place, "'strict' is true or false")
    if strict:
        schema.setdefault("required", list(schema["properties"]))
    # A name that was made up is an error that the model can mend, where the schema does not differ.
    schema.setdefault("additionalProperties", False)
    return schema


def _text(schema: Mapping[str, JsonValue], place: str) -> str:
    try:
        return json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise _bad(place, f"parameters: no JSON: {error}") from None


def _bad(place: str, reason: str) -> ConfigError:
    return ConfigError("bad_function_spec", f"{place}: {reason}")
