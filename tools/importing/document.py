"""An OpenAPI document as data: read, bounded, and with a way to follow its own references."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue

MOST_CHARACTERS = 20 * 1024 * 1024
"""Of a document; the largest public ones have about half."""

MOST_VALUES = 2_000_000
"""Values in a document, its YAML aliases written out."""

DEEPEST = 200


class Document:
    """A document, and the place that is being looked at when something is wrong."""

    def __init__(self, root: dict[str, JsonValue]) -> None:
        self.root = root

    @property
    def is_old(self) -> bool:
        """Whether it is of OpenAPI 3.0, whose schemas are not yet JSON Schema."""
        return str(self.root.get("openapi", "")).startswith("3.0")

    def at(self, reference: str, place: str) -> JsonValue:
        """What the local `reference` names.

        Raises ConfigError: `openapi_remote_reference`, `bad_openapi`.
        """
        if not reference.startswith("#"):
            raise ConfigError(
                "openapi_remote_reference",
                f"{place}: '{reference[:200]}' lies outside of the document; nothing is fetched: "
                f"bundle the document first",
            )
        value: JsonValue = self.root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and name in value:
                value = value[name]
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            else:
                raise bad(place, f"'{reference[:200]}' leads nowhere")
        return value

    def resolved(self, value: JsonValue, place: str) -> dict[str, JsonValue]:
        """The object that `value` is, or refers to. Raises ConfigError as `at` does."""
        for _ in range(DEEPEST):
            if not isinstance(value, dict):
                raise bad(place, f"an object stands here, not {_kind(value)}")
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self.at(reference, place)
        raise bad(place, "it refers to itself without end")


def read(document: Mapping[str, object] | str | Path) -> Document:
    """The document itself, its text (JSON or YAML), or the path of a file with that.

    Raises ConfigError: `bad_openapi`, `openapi_unsupported` for another version than 3.0 and 3.1.
    """
    given: object = document
    if isinstance(document, Path) or (isinstance(document, str) and _is_path(document)):
        try:
            given = Path(document).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise bad(str(document)[:200], f"cannot be read: {error}") from None
    if isinstance(given, str):
        given = _parsed(given)
    root = _plain(given)
    if not isinstance(root, dict):
        raise bad("the document", f"it is {_kind(root)}, not an object")
    version = str(root.get("openapi", root.get("swagger", "none")))
    if not version.startswith(("3.0", "3.1")):
        raise ConfigError(
            "openapi_unsupported", f"a document of OpenAPI {version[:20]}; 3.0 and 3.1 are read"
        )
    return Document(root)


def bad(place: str, reason: str) -> ConfigError:
    """What is wrong, and where."""
    return ConfigError("bad_openapi", f"{place}: {reason}")


def _is_path(text: str) -> bool:
    return "\n" not in text and not text.lstrip().startswith("{") and len(text) < 4096


def _parsed(text: str) -> object:
    if len(text) > MOST_CHARACTERS:
        raise bad("the document", f"it has more than {MOST_CHARACTERS:,} characters")
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(text, Loader=loader)  # noqa: S506 - it is a safe one
    except RecursionError:
        raise bad("the document", "it is nested too deep") from None
    except ValueError as error:
        raise bad("the document", f"it is no JSON: {error}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        raise bad("the document", f"it is no YAML: {' '.join(str(error).split())[:300]}") from None


def _plain(value: object) -> JsonValue:
    """A copy that is JSON: aliases written out, within bounds."""
    left = [MOST_VALUES]

    def copied(each: object, depth: int) -> JsonValue:
        left[0] -= 1
        if left[0] < 0 or depth > DEEPEST:
            raise bad("the document", "it is too large, or nested too deep")
        if isinstance(each, Mapping):
            return {str(key): copied(inner, depth + 1) for key, inner in each.items()}
        if isinstance(each, list | tuple):
            return [copied(inner, depth + 1) for inner in each]
        if each is None or isinstance(each, bool | int | float | str):
            return each
        if isinstance(each, datetime.date):
            return each.isoformat()
        raise bad("the document", f"a {type(each).__name__} is no JSON value")

    return copied(value, 0)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "nothing" if value is None else names.get(type(value), "a number")
