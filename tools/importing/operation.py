"""One operation of an OpenAPI document: what it takes, where each part of that goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from treadle.core.json_value import JsonValue
from treadle.tools.importing.document import Document, bad
from treadle.tools.importing.schema import Schemas

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

Place: TypeAlias = Literal["path", "query", "header", "cookie"]

_PLACES: Mapping[str, Place] = {
    "path": "path", "query": "query", "header": "header", "cookie": "cookie"
}  # fmt: skip
# The specification says that these are ignored; the others belong to the connection.
_RESERVED = frozenset({"accept", "content-type", "authorization"})
_FORBIDDEN = frozenset({"host", "cookie", "content-length", "transfer-encoding", "connection"})
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: `argument` of the tool goes to `name` in `place`."""

    argument: str
    name: str
    place: Place
    required: bool
    style: str
    explode: bool


@dataclass(frozen=True, slots=True)
class Body:
    """The request's body: which argument it is, and as what it is sent."""

    argument: str
    media_type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """What a call takes to become a request.

    security: alternatives, each the names of schemes that are needed together.
    """

    name: str
    method: str
    path: str
    place: str
    description: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    arguments: dict[str, JsonValue]
    returns: dict[str, JsonValue]
    security: tuple[tuple[str, ...], ...]
    servers: JsonValue


def operations(document: Document) -> Iterator[Operation]:
    """The operations in the document's order. Raises ConfigError (`bad_openapi`, ...)."""
    paths = document.root.get("paths", {})
    if not isinstance(paths, dict):
        raise bad("paths", "an object stands here")
    for path, given in paths.items():
        place = f"paths.{path}"
        if not path.startswith("/"):
            raise bad(place, "a path begins with '/'")
        item = document.resolved(given, place)
        for method in METHODS:
            if method in item:
                yield _operation(document, path, method, item)


def _operation(
    document: Document, path: str, method: str, item: Mapping[str, JsonValue]
) -> Operation:
    place = f"paths.{path}.{method}"
    given = document.resolved(item[method], place)
    schemas = Schemas(document)
    listed = [*_list(item, "parameters", place), *_list(given, "parameters", place)]
    parameters, members = _parameters(document, schemas, path, listed, place)
    body = _body(document, schemas, given, members, place)
    required: list[JsonValue] = [each.argument for each in parameters if each.required]
    if body is not None and body.required:
        required.append(body.argument)
    arguments = schemas.whole(
        {"type": "object", "properties": members, "additionalProperties": False}
    )
    if required:
        arguments["required"] = required
    texts = [given.get("summary"), given.get("description")]
    description = "\n\n".join(each.strip() for each in texts if isinstance(each, str) and each)
    return Operation(
        name=_name(given, method, path, place),
        method=method.upper(),
        path=path,
        place=place,
        description=description or f"{method.upper()} {path}",
        parameters=parameters,
        body=body,
        arguments=arguments,
        returns=_returns(document, given, place),
        security=_security(document, given, place),
        servers=given.get("servers") or item.get("servers") or document.root.get("servers"),
    )


def _name(given: Mapping[str, JsonValue], method: str, path: str, place: str) -> str:
    own = given.get("operationId")
    if own is not None and not isinstance(own, str):
        raise bad(place, "operationId is a text")
    text = own or f"{method}{path}"
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.")[:120]
    return name if name[:1].isalpha() else f"call_{name}"


def _parameters(
    document: Document, schemas: Schemas, path: str, listed: list[JsonValue], place: str
) -> tuple[tuple[Parameter, ...], dict[str, JsonValue]]:
    found: dict[tuple[str, str], tuple[Parameter, JsonValue]] = {}
    for number, each in enumerate(listed):
        where = f"{place}.parameters[{number}]"
        given = document.resolved(each, where)
        parameter = _parameter(given, where)
        if parameter is not None:
            schema = _parameter_schema(schemas, given, where)
            found[parameter.name, parameter.place] = (parameter, schema)
    inside = set(re.findall(r"\{([^{}]+)\}", path))
    described = {name for name, where in found if where == "path"}
    if inside != described:
        missing = ", ".join(sorted(inside ^ described))
        raise bad(place, f"the path and its parameters do not name the same: {missing}")
    names = [name for name, _ in found]
    parameters: list[Parameter] = []
    members: dict[str, JsonValue] = {}
    for (name, where_), (parameter, schema) in found.items():
        argument = _argument(name if names.count(name) == 1 else f"{name}_{where_}", members)
        parameters.append(
            Parameter(
                argument, name, parameter.place, parameter.required, parameter.style,
                parameter.explode,
            )
        )  # fmt: skip
        members[argument] = schema
    return tuple(parameters), members


def _parameter(given: Mapping[str, JsonValue], where: str) -> Parameter | None:
    name, place = given.get("name"), given.get("in")
    if not isinstance(name, str) or not name:
        raise bad(where, "a parameter has a name")
    found = _PLACES.get(str(place))
    if found is None:
        raise bad(where, f"'in' is one of {', '.join(_PLACES)}, not {str(place)[:40]!r}")
    if found == "header":
        if name.lower() in _RESERVED:
            return None
        if name.lower() in _FORBIDDEN or not _HEADER.fullmatch(name):
            raise bad(where, f"'{name[:60]}' is no header that a caller may set")
    standard = "simple" if found in ("path", "header") else "form"
    style = given.get("style", standard)
    explode = given.get("explode", style == "form")
    return Parameter(
        name, name, found, given.get("required") is True or found == "path", str(style),
        explode is True,
    )  # fmt: skip


def _parameter_schema(schemas: Schemas, given: Mapping[str, JsonValue], where: str) -> JsonValue:
    schema: JsonValue = given.get("schema")
    if schema is None:
        content = given.get("content")
        media = next(iter(content.values()), None) if isinstance(content, dict) else None
        schema = media.get("schema", {}) if isinstance(media, dict) else {}
    made = schemas.of(schema, f"{where}.schema")
    text = given.get("description")
    if isinstance(made, dict) and isinstance(text, str) and "description" not in made:
        made = {**made, "description": text}
    return made


def _body(
    document: Document,
    schemas: Schemas,
    given: Mapping[str, JsonValue],
    members: dict[str, JsonValue],
    place: str,
) -> Body | None:
    if "requestBody" not in given:
        return None
    where = f"{place}.requestBody"
    body = document.resolved(given["requestBody"], where)
    media_type, media = _json_content(body, where)
    if media is None:
        if body.get("required") is True:
            raise bad(where, "a body that is not JSON is not sent")
        return None
    argument = _argument("body", members)
    schema = schemas.of(media.get("schema", {}), f"{where}.content.{media_type}.schema")
    members[argument] = schema
    return Body(argument, media_type, body.get("required") is True)


def _json_content(
    holder: Mapping[str, JsonValue], place: str
) -> tuple[str, dict[str, JsonValue] | None]:
    content = holder.get("content", {})
    if not isinstance(content, dict):
        raise bad(f"{place}.content", "an object stands here")
    for media_type, media in content.items():
        kind = media_type.partition(";")[0].strip().lower()
        if kind == "application/json" or kind.endswith("+json") or kind == "*/*":
            if not isinstance(media, dict):
                raise bad(f"{place}.content.{media_type}", "an object stands here")
            return ("application/json" if kind == "*/*" else media_type), media
    return "", None


def _returns(
    document: Document, given: Mapping[str, JsonValue], place: str
) -> dict[str, JsonValue]:
    """The schema of what succeeds; empty where several things may come."""
    responses = given.get("responses", {})
    if not isinstance(responses, dict):
        raise bad(f"{place}.responses", "an object stands here")
    good = [code for code in responses if re.fullmatch(r"2\d\d|2XX", code)]
    if len(good) != 1:
        return {}
    where = f"{place}.responses.{good[0]}"
    _, media = _json_content(document.resolved(responses[good[0]], where), where)
    if media is None or "schema" not in media:
        return {}
    schemas = Schemas(document)
    return schemas.whole(schemas.of(media["schema"], f"{where}.schema"))


def _security(
    document: Document, given: Mapping[str, JsonValue], place: str
) -> tuple[tuple[str, ...], ...]:
    wanted = given.get("security", document.root.get("security", []))
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise bad(f"{place}.security", "a list of objects stands here")
    return tuple(tuple(each) for each in wanted if isinstance(each, dict))


def _list(holder: Mapping[str, JsonValue], key: str, place: str) -> list[JsonValue]:
    value = holder.get(key, [])
    if not isinstance(value, list):
        raise bad(f"{place}.{key}", "a list stands here")
    return value


def _argument(name: str, taken: Mapping[str, JsonValue]) -> str:
    argument = re.sub(r"\W+", "_", name) or "value"
    while argument in taken:
        argument += "_"
    return argument
