"""Checking a plan against the tools: names, arguments and types, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from treadle.core.errors import PlanError, ToolError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.planner.plan import Plan
from treadle.planner.reference import Literal, Parsed, Reference, Template, references, resolve
from treadle.planner.step import ITEM_NAMES, Step
from treadle.tools import Effect, Tool, ToolRegistry

_Kinds: TypeAlias = frozenset[str] | None  # JSON types; None: any

_FITS: Mapping[str, frozenset[str]] = {
    # What pydantic accepts in place of what; a text may hold a number, the call will tell.
    "string": frozenset({"string"}),
    "integer": frozenset({"integer", "number", "string", "boolean"}),
    "number": frozenset({"integer", "number", "string", "boolean"}),
    "boolean": frozenset({"boolean", "string", "integer", "number"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
    "null": frozenset({"null"}),
}


def check_plan(plan: Plan, tools: ToolRegistry) -> None:
    """Raises the first PlanError that `check_step` finds in `plan`."""
    known: dict[str, Step] = {}
    for step in plan.steps:
        check_step(step, tools, known)
        known[step.id] = step


def check_step(step: Step, tools: ToolRegistry, known: Mapping[str, Step]) -> None:
    """Check one step, given the steps before it.

    Raises PlanError naming the step: `unknown_tool`, `invalid_arguments` (unknown, missing or
    wrong literal arguments), `type_mismatch` (a reference to an output whose type cannot fit).
    """
    try:
        tool = tools.find(step.tool)
        literal = {
            name: resolve(value, _no_lookup)
            for name, value in step.arguments.members
            if next(references(value), None) is None
        }
        later = frozenset(name for name, _ in step.arguments.members) - set(literal)
        tool.signature.check_known(step.tool, literal, later)
    except ToolError as error:
        raise PlanError(error.code, error.message, step_id=step.id) from None
    for name, value in step.arguments.members:
        if name in later:
            _check_type(step, name, value, tool, tools, known)
    if isinstance(step.for_each, Reference):
        kinds = _kinds_of(step.for_each, step, tools, known)
        if kinds is not None and "array" not in kinds:
            raise PlanError(
                "type_mismatch",
                f"for_each needs a list, but {step.for_each} is {' or '.join(sorted(kinds))}",
                step_id=step.id,
            )


def effect_of(plan: Plan, tools: ToolRegistry) -> dict[str, Effect]:
    """The effect of each step, by step id."""
    return {step.id: tools.find(step.tool).effect for step in plan.steps}


def _check_type(
    step: Step,
    name: str,
    value: Parsed,
    tool: Tool,
    tools: ToolRegistry,
    known: Mapping[str, Step],
) -> None:
    wanted = _schema_kinds(_property(tool.parameters, name), tool.parameters, wanted=True)
    match value:
        case Reference():
            offered = _kinds_of(value, step, tools, known)
        case Template():
            offered = frozenset({"string"})
        case Literal():
            return
        case _:
            offered = frozenset({"array" if type(value).__name__ == "ListOf" else "object"})
    if wanted is None or offered is None:
        return
    if not any(offered & _FITS.get(kind, frozenset({kind})) for kind in wanted):
        raise PlanError(
            "type_mismatch",
            f"'{step.tool}' wants {' or '.join(sorted(wanted))} for '{name}', "
            f"but gets {' or '.join(sorted(offered))}",
            step_id=step.id,
        )


def _kinds_of(
    reference: Reference, step: Step, tools: ToolRegistry, known: Mapping[str, Step]
) -> _Kinds:
    """The JSON types that `reference` may stand for, as far as the schemas tell."""
    if reference.step in ITEM_NAMES and step.for_each is not None:
        return frozenset({"integer"}) if reference.step == "index" else None
    source = known.get(reference.step)
    if source is None or source.on_failure == "value":
        return None
    if source.for_each is not None:
        return frozenset({"array"}) if not reference.path else None
    root = tools.find(source.tool).returns
    schema: JsonSchema | None = root
    for part in reference.path:
        schema = None if schema is None else _resolved(schema, root)
        if schema is None:
            return None
        if isinstance(part, int):
            items = schema.get("items")
            schema = items if isinstance(items, dict) else None
        else:
            schema = _property(schema, part)
    return _schema_kinds(schema, root)


def _property(schema: JsonSchema, name: str) -> JsonSchema | None:
    properties = schema.get("properties")
    found = properties.get(name) if isinstance(properties, dict) else None
    return found if isinstance(found, dict) else None


def _schema_kinds(schema: JsonSchema | None, root: JsonSchema, *, wanted: bool = False) -> _Kinds:
    """The JSON types that fit `schema`; with `wanted`, those that pydantic would convert, too."""
    schema = None if schema is None else _resolved(schema, root)
    if schema is None:
        return None
    kind = schema.get("type")
    if wanted and kind == "string" and "format" in schema:
        return None  # a date may come as a number, an address as an integer
    if isinstance(kind, str):
        return frozenset({kind})
    if isinstance(kind, list):
        return frozenset(str(each) for each in kind)
    choices = schema.get("anyOf")
    if not isinstance(choices, list):
        return None
    kinds: set[str] = set()
    for choice in choices:
        found = _schema_kinds(choice if isinstance(choice, dict) else None, root, wanted=wanted)
        if found is None:
            return None
        kinds |= found
    return frozenset(kinds)


def _resolved(schema: JsonSchema, root: JsonSchema) -> JsonSchema | None:
    """`schema` behind its `$ref`s; None where they cannot be followed."""
    for _ in range(10):
        target = schema.get("$ref")
        if not isinstance(target, str):
            return schema
        definitions = root.get("$defs")
        found = (
            definitions.get(target.rsplit("/", 1)[-1]) if isinstance(definitions, dict) else None
        )
        if not isinstance(found, dict):
            return None
        schema = found
    return None


def _no_lookup(step_id: str) -> JsonValue:
    raise AssertionError(f"a literal does not refer to {step_id}")
