"""What is in a checkpoint is read, and never obeyed."""

from __future__ import annotations

import dataclasses
import enum
import sys
from pathlib import Path
from typing import Any, NamedTuple

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from pydantic import BaseModel
from tests.core.database.old import change, rows
from tests.memory.langgraph.conftest import at, keep

from treadle.core.errors import RunError
from treadle.memory.langgraph import TreadleCheckpointer
from treadle.memory.langgraph.serializer import TrustedSerializer, classes_in


@dataclasses.dataclass
class Order:
    item: str
    number: int = 1


class Colour(enum.Enum):
    RED = "red"


class Place(NamedTuple):
    name: str


class Person(BaseModel):
    name: str
    orders: list[Order] = []


OWN = [Order("tea"), Colour.RED, Place("here"), Person(name="Ann", orders=[Order("ink", 2)])]


def hostile(module: str, name: str, *arguments: object, code: int = 1) -> bytes:
    """Msgpack as LangGraph writes it, that names a callable."""
    content: object = list(arguments)
    if code in (2, 4, 5):
        content = {"args": list(arguments)}
    inner = ormsgpack.packb([module, name, content if code else arguments[0]])
    return ormsgpack.packb({"a": [ormsgpack.Ext(code, inner)]})


def test_data_of_the_application_comes_back() -> None:
    for value in (*OWN, OWN, {"deep": [{"er": OWN}]}, [HumanMessage("hi"), AIMessage("ho")]):
        serde = TrustedSerializer()
        assert serde.loads_typed(serde.dumps_typed(value)) == value
        assert TrustedSerializer().loads_typed(serde.dumps_typed(value)) == value


@pytest.mark.parametrize("code", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("pathlib", "Path.unlink"),
     ("importlib", "import_module"), ("ormsgpack", "packb"), ("functools", "partial")],
)  # fmt: skip
def test_nothing_is_called(code: int, module: str, name: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    body = hostile(module, name, f"touch {trace}", code=code)
    with pytest.raises(RunError) as caught:
        TrustedSerializer().loads_typed(("msgpack", body))
    assert caught.value.code == "checkpoint_type_refused"
    assert not trace.exists()


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Innocent:\n    x: int = 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match=r"planted\.Innocent"):
        TrustedSerializer().loads_typed(("msgpack", hostile("planted", "Innocent", {}, code=2)))
    assert "planted" not in sys.modules


def test_nested_names_are_seen() -> None:
    inner = ormsgpack.unpackb(
        hostile("os", "system", "true"), ext_hook=lambda code, data: ormsgpack.Ext(code, data)
    )["a"][0]
    allowed = ormsgpack.packb(["builtins", "set", [inner]])
    body = ormsgpack.packb(ormsgpack.Ext(0, allowed))
    assert classes_in(body) == {("builtins", "set"), ("os", "system")}
    with pytest.raises(RunError, match=r"os\.system"):
        TrustedSerializer().loads_typed(("msgpack", body))


def test_only_what_is_named_where_classes_are_named() -> None:
    packed = TrustedSerializer().dumps_typed(Order("tea"))
    assert TrustedSerializer([Order]).loads_typed(packed) == Order("tea")
    assert TrustedSerializer([(__name__, "Order")]).loads_typed(packed) == Order("tea")
    for none in (TrustedSerializer([]), TrustedSerializer([Person])):
        with pytest.raises(RunError, match="Order"):
            none.loads_typed(packed)
        assert none.with_msgpack_allowlist([Order]).loads_typed(packed) == Order("tea")
    message = TrustedSerializer().dumps_typed(HumanMessage("hi"))
    assert TrustedSerializer([]).loads_typed(message) == HumanMessage("hi")


def test_a_planted_checkpoint_is_refused_by_name(
    saver: TreadleCheckpointer, database_url: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    keep(saver, at(), n=1)
    body = hostile("os", "system", f"touch {trace}").hex()
    quoted = f"x'{body}'" if database_url.startswith("sqlite") else f"'\\x{body}'"
    change(database_url, f"update checkpoint_value set kind = 'msgpack', body = {quoted}")
    with pytest.raises(RunError) as caught:
        saver.get_tuple(at())
    assert caught.value.code == "checkpoint_type_refused"
    for kind in ("pickle", "json", "other"):
        change(database_url, f"update checkpoint_value set kind = '{kind}'")
        with pytest.raises(RunError) as caught:
            saver.get_tuple(at())
        assert caught.value.code == "checkpoint_damaged"
    assert not trace.exists()


class Xor:
    """A cipher that is none."""

    def __init__(self, key: int) -> None:
        self.key = key

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "xor", bytes(each ^ self.key for each in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return bytes(each ^ self.key for each in ciphertext)


def test_a_serializer_of_ones_own_is_used(database_url: str) -> None:
    with TreadleCheckpointer(
        database_url, serde=EncryptedSerializer(Xor(7), TrustedSerializer())
    ) as saver:
        keep(saver, at(), secret="a canary")
        found = saver.get_tuple(at())
        assert found is not None
        assert found.checkpoint["channel_values"] == {"secret": "a canary"}
    bodies: Any = rows(database_url, "select body from checkpoint_value")
    assert b"canary" not in b"".join(bytes(body) for (body,) in bodies)
    with (
        TreadleCheckpointer(
            database_url, serde=EncryptedSerializer(Xor(8), TrustedSerializer())
        ) as other,
        pytest.raises(RunError) as caught,
    ):
        other.get_tuple(at())
    assert caught.value.code == "checkpoint_damaged"


@pytest.mark.parametrize("value", OWN, ids=lambda value: type(value).__name__)
def test_the_checkpointer_reads_data_of_the_application(database_url: str, value: Any) -> None:
    with TreadleCheckpointer(database_url) as saver:
        keep(saver, at(), own=value)
        found = saver.get_tuple(at())
        assert found is not None
        assert found.checkpoint["channel_values"] == {"own": value}
        clone = saver.with_allowlist([("a", "B")])
        assert clone.get_tuple(at()) is not None
    with TreadleCheckpointer(database_url, allow=[]) as strict, pytest.raises(RunError):
        strict.get_tuple(at())
