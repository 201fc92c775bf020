"""From JSON schemas that others wrote, of MCP servers or function specs, to a tool's signature."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ConfigDict, TypeAdapter
from pydantic_core import PydanticCustomError

from treadle.core.json_value import JsonSchema, JsonValue
from treadle.tools.signature import Signature

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA_MAPS = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
"""Keywords whose value holds schemas by name."""

DATA_KEYWORDS = frozenset({"default", "const", "enum", "examples", "required"})
"""Keywords whose value is no schema, whatever it looks like."""

MOST_STEPS = 50_000
"""Keywords that one check looks at; a schema can be made to need any number of them."""

_ROOT_RULES = frozenset(
    {
        "required", "minProperties", "maxProperties", "anyOf", "oneOf", "allOf", "not", "if",
        "then", "else", "dependentRequired", "dependentSchemas",
    }
)  # fmt: skip

_INVALID = "schema_mismatch"

_steps: ContextVar[list[int]] = ContextVar("treadle_schema_steps")


class _TooManySteps(Exception):
    pass


def signature_for(parameters: JsonSchema, returns: JsonSchema) -> Signature:
    """The signature of a tool with these schemas, which are valid (2020-12) and whole: references
    stay within them.

    Checking is bounded (`MOST_STEPS`), fetches nothing and matches no regular expression.
    """
    properties = parameters.get("properties")
    names = tuple(properties) if isinstance(properties, dict) else ()
    wanted = parameters.get("required")
    required = [each for each in wanted if each in names] if isinstance(wanted, list) else []
    literal = {key: each for key, each in parameters.items() if key not in _ROOT_RULES}
    settings = ConfigDict(ser_json_inf_nan="constants")
    return Signature(
        parameters=parameters,
        returns=returns,
        names=names,
        required=frozenset(str(each) for each in required),
        _complete=TypeAdapter(Annotated[dict[str, Any], AfterValidator(_check(parameters))]),
        _partial=TypeAdapter(Annotated[dict[str, Any], AfterValidator(_check(literal))]),
        _returned=TypeAdapter(Annotated[Any, AfterValidator(_check(returns))], config=settings),
        _plain_output=None,
    )


def _check(schema: JsonSchema) -> Callable[[Any], Any]:
    """What pydantic calls with a value: gives it back, or says what is wrong with it."""
    plain = without_patterns(schema)
    made: list[Validator] = []  # when it is needed: most tools are never called

    def check(value: Any) -> Any:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise PydanticCustomError(
                _INVALID, "no JSON value: {why}", {"why": str(error)}
            ) from None
        if not plain:
            return value
        if not made:
            made.append(_validator(plain))
        problem = _problem(made[0], value)
        if problem is not None:
            raise PydanticCustomError(_INVALID, "{problem}", {"problem": problem})
        return value

    return check


def _problem(validator: Validator, value: JsonValue) -> str | None:
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    token = _steps.set([MOST_STEPS])
    try:
        error = best_match(validator.iter_errors(value))
    except _TooManySteps:
        return "too much to check against its schema"
    except (RecursionError, Unresolvable):
        return "its schema has no end or leads nowhere"
    finally:
        _steps.reset(token)
    if error is None:
        return None
    place = ".".join(str(part) for part in error.absolute_path)
    return f"{place[:200]}: {error.message[:300]}" if place else str(error.message[:300])


def _validator(schema: dict[str, JsonValue]) -> Validator:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    counted = {
        keyword: _counted(function)
        for keyword, function in Draft202012Validator.VALIDATORS.items()
        # Comparing all items of a long list with each other is the server's business.
        if keyword != "uniqueItems"
    }
    counted["uniqueItems"] = _ignored
    extended: Any = validators.extend
    kind = extended(Draft202012Validator, counted)
    # An empty registry: nothing is ever fetched.
    validator: Validator = kind(schema, registry=Registry())
    return validator


def _counted(function: Any) -> Any:
    def check(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
        left = _steps.get()
        left[0] -= 1 + (len(rule) if isinstance(rule, list | dict) else 0)
        if left[0] < 0:
            raise _TooManySteps
        yield from function(validator, rule, instance, schema) or ()

    return check


def _ignored(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[Any]:
    yield from ()


def without_patterns(schema: JsonSchema) -> dict[str, JsonValue]:
    """`schema` without its regular expressions: a stranger's can take hours to match."""
    changed = _plain(dict(schema))
    assert isinstance(changed, dict)
    return changed


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    changed: dict[str, JsonValue] = {}
    for key, each in value.items():
        if key in ("pattern", "patternProperties"):
            continue
        if (
            key in ("additionalProperties", "unevaluatedProperties")
            and "patternProperties" in value
        ):
            continue
        if key in DATA_KEYWORDS:
            changed[key] = each
        elif key in SCHEMA_MAPS and isinstance(each, dict):
            changed[key] = {name: _plain(one) for name, one in each.items()}
        else:
            changed[key] = _plain(each)
    return changed
