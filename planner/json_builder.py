"""Values out of ijson's events, with the checks that a plan needs."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from treadle.core.errors import PlanError
from treadle.core.json_value import JsonValue
from treadle.planner.reference import MAX_DEPTH

PLAN_FIELDS = frozenset({"steps", "answer", "version"})

_DEPTH = MAX_DEPTH + 8  # the plan, its steps and a step's own fields come on top
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[^u]|((?:u[0-9a-fA-F]{0,3})?\Z))")

_HALF = re.compile("[\ud800-\udfff]")


class JsonBuilder:
    """Parses one object; hands out each element of `steps` and each other field as it closes.

    `committed`: the object is a plan for sure (one of its fields was seen).
    `closed`: the object has ended.
    """

    def __init__(self) -> None:
        import ijson  # 10 ms, and only plans that arrive as text need it

        self._events: Any = ijson.sendable_list()
        self._parser: Any = ijson.basic_parse_coro(self._events)
        self._error: type[Exception] = ijson.JSONError
        self._containers: list[dict[str, JsonValue] | list[JsonValue]] = []
        self._keys: list[str] = []
        self._field: str | None = None
        self._seen: set[str] = set()
        self._depth = 0
        self._surrogates = _Surrogates()
        self.committed = False
        self.closed = False

    def feed(self, text: str) -> list[tuple[str, JsonValue]]:
        """Parse `text`; return `(field, value)` for all that closed.

        Raises PlanError: `plan_syntax`, `plan_encoding`, `unknown_field`, `duplicate_key`,
        `bad_plan`, `too_deep`.
        """
        failure: PlanError | None = None
        try:
            self._parser.send(text.encode("utf-8", "replace"))
            if self._surrogates.lone_in(text):
                failure = PlanError("plan_encoding", "the text holds half of a surrogate pair")
        except SystemError:
            # ijson's way of saying that Python refused an integer of 5,000 digits. It leaves an
            # event without a value behind, and whoever looks at that one crashes.
            del self._events[-1:]
            failure = PlanError("plan_syntax", "the plan is not JSON: a number is too long")
        except ArithmeticError:
            # Decimal's word on an exponent of 20 digits.
            failure = PlanError("plan_syntax", "the plan is not JSON: a number is out of range")
        except (self._error, ValueError) as error:
            reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else "?"
            failure = PlanError("plan_syntax", f"the plan is not JSON: {reason}")
        done: list[tuple[str, JsonValue]] = []
        events, self._events[:] = list(self._events), []
        for kind, value in events:
            self._take(kind, value, done)
        if failure is not None:
            raise failure
        return done

    def _take(self, kind: str, value: Any, done: list[tuple[str, JsonValue]]) -> None:
        if kind == "map_key":
            self._take_key(value)
        elif kind in ("start_map", "start_array"):
            self._open({} if kind == "start_map" else [])
        elif kind in ("end_map", "end_array"):
            self._close(done)
        else:
            self._put(_number(value) if kind == "number" else value, done)

    def _take_key(self, key: str) -> None:
        if self._depth > 1:
            container = self._containers[-1]
            assert isinstance(container, dict)
            if key in container:
                raise PlanError("duplicate_key", f"the key '{key[:60]}' occurs twice")
            container[key] = None
            self._keys.append(key)
            return
        self.committed = self.committed or key in PLAN_FIELDS
        if key in self._seen:
            raise PlanError("duplicate_key", f"the plan has two fields '{key[:60]}'")
        self._seen.add(key)
        self._field = key
        unknown = self._seen - PLAN_FIELDS
        if unknown and self.committed:
            raise PlanError("unknown_field", f"'{min(unknown)[:60]}' is no field of a plan")

    def _open(self, container: dict[str, JsonValue] | list[JsonValue]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise PlanError("too_deep", f"values may nest {MAX_DEPTH} deep, not more")
        if self._depth == 1:
            return
        if self._field == "steps" and self._depth == 2:
            if isinstance(container, dict):
                raise PlanError("bad_plan", "'steps' must be a list")
            return
        self._containers.append(container)

    def _close(self, done: list[tuple[str, JsonValue]]) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.closed = True
        elif self._field == "steps" and self._depth == 1:
            self._field = None
        else:
            self._put(self._containers.pop(), done)

    def _put(self, value: JsonValue, done: list[tuple[str, JsonValue]]) -> None:
        """A value has closed: into what holds it, or out."""
        if self._containers:
            container = self._containers[-1]
            if isinstance(container, dict):
                container[self._keys.pop()] = value
            else:
                container.append(value)
            return
        assert self._field is not None
        if self._field == "steps" and self._depth == 1:
            raise PlanError("bad_plan", "'steps' must be a list")
        if self._field in PLAN_FIELDS:
            done.append((self._field, value))


def _number(value: int | float | Decimal) -> int | float:
    if isinstance(value, int):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise PlanError("plan_syntax", f"the number {str(value)[:40]} is too large")
    return number


class _Surrogates:
    """Finds halves of surrogate pairs, escaped or not, in a text that comes in pieces.

    Something else would stand in the place of a half in what the parser makes of it.
    """

    def __init__(self) -> None:
        self._open = ""
        """The end of the last piece, from an escape on that the next one may complete or pair."""

    def lone_in(self, text: str) -> bool:
        """Whether a half stands alone, as far as the text up to the end of `text` tells."""
        if _HALF.search(text):
            return True
        if not self._open and "\\u" not in text and not text.endswith("\\"):
            return False
        text, self._open = self._open + text, ""
        high: re.Match[str] | None = None
        for escape in _ESCAPE.finditer(text):
            follows = high is not None and high.end() == escape.start()
            if high is not None and not follows:
                return True
            if escape[2] is not None:
                self._open = text[(high or escape).start() :]
                return False
            code = int(escape[1], 16) if escape[1] else 0
            if (0xDC00 <= code < 0xE000) != follows:
                return True
            high = escape if 0xD800 <= code < 0xDC00 else None
        if high is not None and high.end() == len(text):
            self._open = text[high.start() :]
            return False
        return high is not None
