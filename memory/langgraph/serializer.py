"""The serializer of checkpoints: LangGraph's, which reads no more than it was told to trust.

What is in a checkpoint names the classes to make objects of. Whoever can write to the database
could name `os.system`; so a name is looked at before anything is imported or called.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Iterable
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from treadle.core.errors import RunError

_KNOWN = frozenset(
    {
        ("langgraph.store.base", "SearchItem"),
        ("pydantic.types", "SecretStr"),
        ("pydantic.types", "SecretBytes"),
    }
)
"""Harmless as well, and not among those that LangGraph names."""

_METHOD_CALL, _ARRAY, _SNAPSHOT = 3, 6, 7
"""Extension codes of LangGraph's msgpack that name no class which it would make an object of."""

_KINDS = ("null", "bytes", "bytearray", "msgpack")

Name = tuple[str, ...]


class TrustedSerializer(JsonPlusSerializer):
    """Reads LangGraph's and LangChain's own types, and data classes of the application.

    allow: the classes to read besides LangGraph's own. None means: dataclasses, pydantic models,
        enumerations and named tuples, each from a module that this process has imported already.

    Reading raises RunError (`checkpoint_type_refused`) for any other class, before anything is
    imported or made.
    """

    def __init__(self, allow: Iterable[type | Name] | None = None) -> None:
        named = frozenset(_name(each) for each in allow or ())
        super().__init__(allowed_msgpack_modules=tuple(named | _KNOWN))
        self._loaded_too = allow is None
        self._trusted: frozenset[Name] = SAFE_MSGPACK_TYPES | _KNOWN | named
        self._reader = JsonPlusSerializer(allowed_msgpack_modules=tuple(named | _KNOWN))

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[type | Name]) -> TrustedSerializer:
        """A serializer that reads these too."""
        extra = {_name(each) for each in extra_allowlist}
        clone = TrustedSerializer(self._trusted - SAFE_MSGPACK_TYPES - _KNOWN | extra)
        clone._loaded_too = self._loaded_too
        return clone

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The object that `dumps_typed` has written."""
        kind, body = data
        if kind not in _KINDS:
            # Such as "json" of old versions of LangGraph, and "pickle": we never wrote any.
            raise NotImplementedError(f"a serialization that is not read: {kind!r:.40}")
        if kind == "msgpack":
            unknown = classes_in(body) - self._trusted
            for each in unknown:
                self._check(each)
            if unknown:
                self._reader = self._reader.with_msgpack_allowlist(unknown)
                self._trusted |= unknown
        return self._reader.loads_typed(data)

    def _check(self, name: Name) -> None:
        if self._loaded_too and _is_loaded_data(name):
            return
        dotted = ".".join(name)[:200]
        raise RunError(
            "checkpoint_type_refused",
            f"a checkpoint holds {dotted!r}, which is not trusted: if it is yours, import its "
            "module first, or name the class: TreadleCheckpointer(url, allow=[...])",
        )


def classes_in(body: bytes) -> set[Name]:
    """The classes that msgpack of LangGraph's names, at any depth. Makes no objects of them."""
    found: set[Name] = set()

    def look(code: int, raw: bytes) -> None:
        content = ormsgpack.unpackb(raw, ext_hook=look, option=ormsgpack.OPT_NON_STR_KEYS)
        if code in (_METHOD_CALL, _ARRAY, _SNAPSHOT):
            return
        if isinstance(content, list) and len(content) > 1:
            found.add((str(content[0]), str(content[1])))

    ormsgpack.unpackb(body, ext_hook=look, option=ormsgpack.OPT_NON_STR_KEYS)
    return found


def _name(given: type | Name) -> Name:
    return (given.__module__, given.__name__) if isinstance(given, type) else tuple(given)


def _is_loaded_data(name: Name) -> bool:
    """Whether it is a class that holds data, of a module that is there: nothing is imported."""
    module = sys.modules.get(name[0])
    # Not `getattr`: a module may import something when asked for a name that it lacks.
    found = vars(module).get(name[1]) if module is not None else None
    if not isinstance(found, type):
        return False
    pydantic = sys.modules.get("pydantic")
    return (
        dataclasses.is_dataclass(found)
        or issubclass(found, enum.Enum)
        or (issubclass(found, tuple) and hasattr(found, "_fields"))
        or (pydantic is not None and issubclass(found, pydantic.BaseModel))
    )
