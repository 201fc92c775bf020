"""Schemas of an OpenAPI document as JSON Schemas (2020-12) that stand alone."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.tools.importing.document import DEEPEST, Document, bad

_DROPPED = frozenset({"discriminator", "xml", "externalDocs", "example", "readOnly", "writeOnly"})
_MAPS = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_DATA = frozenset({"default", "const", "enum", "examples", "required"})
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


class Schemas:
    """Makes the schemas of one tool; `definitions` collects what they refer to."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.definitions: dict[str, JsonValue] = {}
        self._names: dict[str, str] = {}

    def of(self, schema: JsonValue, place: str, depth: int = 0) -> JsonValue:
        """`schema` with its references turned into ones to `definitions`.

        Raises ConfigError: `bad_openapi`, `openapi_remote_reference`.
        """
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or depth > DEEPEST:
            raise bad(place, "a schema is an object, and not nested without end")
        reference = schema.get("$ref")
        if isinstance(reference, str):
            made: dict[str, JsonValue] = {"$ref": f"#/$defs/{self._define(reference, place)}"}
            if not self._document.is_old and isinstance(schema.get("description"), str):
                made["description"] = schema["description"]
            return made
        made = {}
        for key, value in schema.items():
            if key in _DROPPED or key.startswith("x-"):
                continue
            made[key] = self._member(key, value, f"{place}.{key}", depth + 1)
        return self._modern(made) if self._document.is_old else made

    def whole(self, schema: JsonValue) -> dict[str, JsonValue]:
        """`schema` with what it refers to."""
        made = dict(schema) if isinstance(schema, dict) else {}
        if self.definitions:
            made["$defs"] = dict(self.definitions)
        return made

    def _member(self, key: str, value: JsonValue, place: str, depth: int) -> JsonValue:
        if key in _DATA:
            return value
        if key in _MAPS and isinstance(value, dict):
            return {name: self.of(each, f"{place}.{name}", depth) for name, each in value.items()}
        if isinstance(value, dict):
            return self.of(value, place, depth)
        if isinstance(value, list) and any(isinstance(each, dict) for each in value):
            return [self.of(each, place, depth) for each in value]
        return value

    def _define(self, reference: str, place: str) -> str:
        known = self._names.get(reference)
        if known is not None:
            return known
        target = self._document.at(reference, place)
        name = reference.rpartition("/")[2] or "root"
        name = "".join(each if each.isalnum() else "_" for each in name)
        while name in self.definitions:
            name += "_"
        self._names[reference] = name
        self.definitions[name] = True  # taken, before it is followed: it may refer to itself
        self.definitions[name] = self.of(target, reference)
        return name

    def _modern(self, schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """From OpenAPI 3.0's dialect."""
        for exclusive, plain in _BOUNDS:
            flag = schema.get(exclusive)
            if isinstance(flag, bool):
                del schema[exclusive]
                if flag and plain in schema:
                    schema[exclusive] = schema.pop(plain)
        if schema.pop("nullable", False) is not True:
            return schema
        kind = schema.get("type")
        if isinstance(kind, str):
            schema["type"] = [kind, "null"]
            choices = schema.get("enum")
            if isinstance(choices, list) and None not in choices:
                schema["enum"] = [*choices, None]
            return schema
        return {"anyOf": [schema, {"type": "null"}]}
