"""Tools from OpenAPI documents, against a real server."""

from __future__ import annotations

import base64
import json
import random
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools.importing.conftest import Api

from treadle.core.errors import ConfigError, ToolError
from treadle.tools import Effect, Secret, ToolRegistry
from treadle.tools.importing import tools_from_openapi

PET: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "tag": {"type": "string", "nullable": True},
        "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
    },
}
JSON_PET = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://{region}.pets.example/v1", "variables": {"region": {"default": "eu"}}}],
    "paths": {
        "/pets/{petId}": {
            "parameters": [
                {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {
                "operationId": "pets.get",
                "summary": "Find a pet.",
                "parameters": [
                    {"name": "verbose", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {
                        "name": "ids", "in": "query", "explode": False,
                        "schema": {"type": "array", "items": {"type": "integer"}},
                    },
                    {
                        "name": "filter", "in": "query", "style": "deepObject", "explode": True,
                        "schema": {"type": "object"},
                    },
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    {"name": "seen", "in": "cookie", "schema": {"type": "string"}},
                ],
                "responses": {"200": JSON_PET},
            },
            "delete": {"operationId": "pets.delete", "responses": {"204": {"description": "gone"}}},
        },
        "/pets": {
            "post": {
                "operationId": "pets.add",
                "security": [{"key": []}, {"basic": []}],
                "requestBody": {"required": True, **JSON_PET},
                "responses": {"201": JSON_PET, "default": {"description": "an error"}},
            },
            "put": {"responses": {"200": {"description": "fine"}}, "security": [{"token": []}]},
        },
    },
    "components": {
        "schemas": {"Pet": PET},
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "query", "name": "api_key"},
            "basic": {"type": "http", "scheme": "basic"},
            "token": {"type": "oauth2", "flows": {}},
        },
    },
}  # fmt: skip

KEYS = {"key": Secret("PET_KEY"), "token": Secret("PET_TOKEN")}


def imported(api: Api, **options: Any) -> ToolRegistry:
    options.setdefault("credentials", KEYS)
    return tools_from_openapi(DOCUMENT, base_url=api.url + "/v1", **options)


async def test_parameters_go_where_they_belong(api: Api) -> None:
    tools = imported(api)
    assert list(tools) == ["pets.get", "pets.delete", "pets.add", "put_pets"]
    got = await tools["pets.get"].call(
        {
            "petId": "a/b ü?#",
            "verbose": True,
            "tags": ["x", "y&z"],
            "ids": [1, 2],
            "filter": {"age": 3},
            "X_Trace": "t 1",
            "seen": "a;b",
        }
    )
    assert got == {"id": 1, "name": "Rex"}
    asked = api.last
    assert asked["path"] == "/v1/pets/a%2Fb%20%C3%BC%3F%23"
    assert asked["query"] == [
        ("verbose", "true"), ("tags", "x"), ("tags", "y&z"), ("ids", "1,2"), ("filter[age]", "3"),
    ]  # fmt: skip
    assert asked["headers"]["x-trace"] == "t 1"
    assert asked["headers"]["cookie"] == "seen=a%3Bb"
    assert asked["headers"]["host"] == api.url.removeprefix("http://")
    assert "authorization" not in asked["headers"]


async def test_a_body_is_checked_and_sent(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_KEY", "key with spaces & more")
    add = imported(api)["pets.add"]
    pet = {"id": 2, "name": "Tom", "tag": None, "friends": [{"id": 3, "name": "Ann"}]}
    await add.call({"body": pet})
    assert api.last["body"] == pet
    assert api.last["query"] == [("api_key", "key with spaces & more")]
    for wrong in (
        {},
        {"body": {"id": "x", "name": "y"}},
        {"body": {"id": 1}},
        {"body": pet, "x": 1},
    ):
        with pytest.raises(ToolError) as raised:
            await add.call(wrong)
        assert raised.value.code == "invalid_arguments"
    pet["friends"] = [{"id": 3, "name": "Ann", "friends": [{"id": "not a number", "name": "x"}]}]
    with pytest.raises(ToolError, match="friends"):
        await add.call({"body": pet})
    assert len(api.requests) == 1


async def test_what_comes_back_is_checked(api: Api) -> None:
    get = imported(api)["pets.get"]
    for body, code in [(b'{"id": "x", "name": "y"}', "invalid_output"), (b"{", "not_json")]:
        api.answer = (200, "application/json", body)
        with pytest.raises(ToolError) as raised:
            await get.call({"petId": "1"})
        assert raised.value.code == code
    for status, retryable in ((404, False), (503, True), (302, False)):
        api.answer = (status, "text/plain", b"no such pet")
        with pytest.raises(ToolError, match="http_status") as raised:
            await get.call({"petId": "1"})
        assert raised.value.retryable is retryable
    assert len(api.requests) == 5  # nothing was redirected


async def test_effects_and_trust_follow_the_method(api: Api) -> None:
    tools = imported(api)
    effects = {name: each.effect for name, each in tools.items()}
    assert effects == {
        "pets.get": Effect.READ, "pets.delete": Effect.IRREVERSIBLE,
        "pets.add": Effect.WRITE, "put_pets": Effect.WRITE,
    }  # fmt: skip
    assert all(each.open_world and each.gives_untrusted for each in tools.values())
    told = imported(api, effects={"pets.delete": "write"}, trusted=True)
    assert told["pets.delete"].effect is Effect.WRITE
    assert not told["pets.delete"].gives_untrusted
    api.answer = (204, "text/plain", b"")
    assert await told["pets.delete"].call({"petId": "1"}) is None


async def test_credentials_come_by_handle(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    word = f"pass{random.randrange(10**9)}word"
    monkeypatch.setenv("PET_USER", "someone")
    monkeypatch.setenv("PET_PASSWORD", word)
    monkeypatch.setenv("PET_TOKEN", f"tok-{word}")
    pair = (Secret("PET_USER"), Secret("PET_PASSWORD"))
    tools = imported(api, credentials={"basic": pair, "token": Secret("PET_TOKEN")})
    assert tools["pets.add"].scopes == ("PET_USER", "PET_PASSWORD")
    encoded = base64.b64encode(f"someone:{word}".encode()).decode()
    # A server that gives back what it was sent.
    api.answer = (401, "text/plain", f"not {word}, not Basic {encoded}".encode())
    with pytest.raises(ToolError) as raised:
        await tools["pets.add"].call({"body": {"id": 1, "name": "x"}})
    assert api.last["headers"]["authorization"] == f"Basic {encoded}"
    assert word not in str(raised.value)
    assert encoded not in str(raised.value)
    api.answer = (200, "application/json", b"{}")
    await tools["put_pets"].call({})
    assert api.last["headers"]["authorization"] == f"Bearer tok-{word}"
    monkeypatch.setenv("PET_TOKEN", "two\r\nlines")
    with pytest.raises(ToolError) as raised:
        await tools["put_pets"].call({})
    assert raised.value.code == "bad_secret_value"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_no_argument_leaves_its_place_in_the_path(api: Api, value: str) -> None:
    with pytest.raises(ToolError, match="no part of a path"):
        await imported(api)["pets.get"].call({"petId": value})
    assert api.requests == []


async def test_no_argument_adds_a_header(api: Api) -> None:
    with pytest.raises(ToolError, match="one line"):
        await imported(api)["pets.get"].call({"petId": "1", "X_Trace": "a\r\nEvil: 1"})
    assert api.requests == []


@settings(max_examples=20, deadline=None)
@given(st.text(min_size=1, max_size=20).filter(lambda text: text not in (".", "..")))
async def test_any_text_stays_one_segment(text: str) -> None:
    from treadle.tools.importing.operation import Parameter
    from treadle.tools.importing.request import _segment

    try:
        made = _segment(Parameter("a", "a", "path", True, "simple", False), text)
    except UnicodeEncodeError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_.,~%-]+", made)


async def test_a_host_that_only_the_document_names_must_be_public() -> None:
    document = {**deepcopy(DOCUMENT), "servers": [{"url": "http://127.0.0.1:9/"}]}
    tools = tools_from_openapi(document, credentials=KEYS)
    with pytest.raises(ToolError) as raised:
        await tools["pets.get"].call({"petId": "1"})
    assert raised.value.code == "host_not_allowed"

    async def inside(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    tools = tools_from_openapi(DOCUMENT, credentials=KEYS, resolve=inside)
    with pytest.raises(ToolError) as raised:
        await tools["pets.get"].call({"petId": "1"})
    assert raised.value.code == "address_not_allowed"
    assert "eu.pets.example" in raised.value.message


def test_text_yaml_and_files_give_the_same(tmp_path: Path) -> None:
    text = yaml.safe_dump(DOCUMENT)
    file = tmp_path / "pets.yaml"
    file.write_text(text)
    given = [DOCUMENT, json.dumps(DOCUMENT), text, file, str(file)]
    made = [tools_from_openapi(each, credentials=KEYS) for each in given]
    assert all(
        dict(each["pets.add"].parameters) == dict(made[0]["pets.add"].parameters) for each in made
    )
    assert len({each["pets.add"].fingerprint for each in made}) == 1


def test_another_server_is_another_tool() -> None:
    one = tools_from_openapi(DOCUMENT, credentials=KEYS)["pets.get"]
    two = tools_from_openapi(DOCUMENT, base_url="https://b.example", credentials=KEYS)["pets.get"]
    assert one.fingerprint != two.fingerprint


def test_only_what_is_wanted_is_taken() -> None:
    tools = tools_from_openapi(DOCUMENT, only=["pets.get", "pets.d*"])
    assert list(tools) == ["pets.get", "pets.delete"]
    with pytest.raises(ConfigError, match=r"no operation 'pets\.x'"):
        tools_from_openapi(DOCUMENT, only=["pets.x"])


def test_a_3_1_document_is_json_schema_already() -> None:
    document = deepcopy(DOCUMENT)
    document["openapi"] = "3.1.0"
    document["components"]["schemas"]["Pet"]["properties"]["tag"] = {"type": ["string", "null"]}
    tools = tools_from_openapi(document, credentials=KEYS)
    definitions: Any = tools["pets.add"].parameters["$defs"]
    assert definitions["Pet"]["properties"]["friends"]["items"] == {"$ref": "#/$defs/Pet"}
    assert definitions["Pet"]["properties"]["tag"] == {"type": ["string", "null"]}


def changed(path: str, value: Any) -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    *above, last = path.split("|")
    place: Any = document
    for part in above:
        place = place[part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "code", "place"),
    [
        ({}, "openapi_unsupported", "none"),
        ({"swagger": "2.0"}, "openapi_unsupported", "2.0"),
        ([], "bad_openapi", "a list"),
        ("{", "bad_openapi", "no JSON"),
        ("a: b: c\n- x", "bad_openapi", "no YAML"),
        ("/no/such/file.yaml", "bad_openapi", "cannot be read"),
        (changed("paths", []), "bad_openapi", "paths"),
        (changed("paths|pets", {}), "bad_openapi", "paths.pets"),
        (changed("paths|/pets|post", 3), "bad_openapi", "paths./pets.post"),
        (changed("paths|/pets|get", {"parameters": [{"in": "query"}]}), "bad_openapi", "parameters[0]"),
        (
            changed("paths|/pets|get", {"parameters": [{"name": "a", "in": "body"}]}),
            "bad_openapi", "'body'",
        ),
        (
            changed("paths|/pets|get", {"parameters": [{"name": "Host", "in": "header"}]}),
            "bad_openapi", "Host",
        ),
        (changed("paths|/pets/{petId}|parameters", []), "bad_openapi", "petId"),
        (
            changed("components|schemas|Pet", {"$ref": "https://evil.example/pet.json"}),
            "openapi_remote_reference", "evil.example",
        ),
        (changed("components|schemas|Pet", {"$ref": "other.yaml#/Pet"}), "openapi_remote_reference", "other"),
        (changed("components|schemas|Pet", 7), "bad_openapi", "Pet"),
        (changed("components|schemas", {}), "bad_openapi", "leads nowhere"),
        (changed("paths|/pets|post|operationId", "pets.get"), "duplicate_tool", "pets.get"),
        (changed("servers", []), "bad_openapi", "base_url"),
        (changed("servers", [{"url": "/v1"}]), "bad_openapi", "/v1"),
        (changed("servers", [{"url": "file:///etc"}]), "bad_openapi", "file:"),
        (changed("components|securitySchemes|key", {"type": "magic"}), "bad_openapi", "magic"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(document: Any, code: str, place: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tools_from_openapi(document, credentials=KEYS)
    assert raised.value.code == code
    assert place in raised.value.message


def test_credentials_that_are_missing_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        tools_from_openapi(DOCUMENT, credentials={"token": Secret("T")})
    assert raised.value.code == "openapi_credentials"
    assert "key or basic" in raised.value.message
    mistaken: Any = {"token": "the-value-itself", "key": Secret("K")}
    with pytest.raises(ConfigError) as raised:
        tools_from_openapi(DOCUMENT, credentials=mistaken)
    assert "the-value-itself" not in raised.value.message


@pytest.mark.timeout(90)  # it is read to the limit, which takes a while on a busy machine
def test_a_yaml_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigError, match="too large"):
        tools_from_openapi("\n".join(["openapi: 3.0.0", *lines]))
    with pytest.raises(ConfigError, match="too large"):
        tools_from_openapi("openapi: 3.0.0\na: &a\n  b: *a\n")
    with pytest.raises(ConfigError, match="no YAML"):
        tools_from_openapi("openapi: 3.0.0\nx: !!python/object/apply:os.system ['true']\n")


@pytest.mark.parametrize("server", ["https://collect.evil.example", "http://api.good.example"])
def test_credentials_go_to_the_apis_own_server_only(server: str) -> None:
    def operation(name: str, **more: object) -> dict[str, object]:
        return {"get": {"operationId": name, "responses": {"200": {"description": "x"}}, **more}}

    document = {
        "openapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://api.good.example"}],
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"key": []}],
        "paths": {"/a": operation("a"), "/b": operation("b", servers=[{"url": server}])},
    }
    keys = {"key": Secret("API_TOKEN")}
    with pytest.raises(ConfigError) as refused:
        tools_from_openapi(document, credentials=keys)
    assert refused.value.code == "openapi_credentials"
    assert list(tools_from_openapi(document, credentials=keys, only=["a"])) == ["a"]
    named = tools_from_openapi(document, credentials=keys, base_url="https://api.good.example")
    assert list(named) == ["a", "b"]
