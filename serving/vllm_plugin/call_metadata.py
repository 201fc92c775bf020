"""What a request says about the program it belongs to; everything in it may be hostile."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from treadle.serving.hints import PREFIX
from treadle.serving.policy.contract import Call, ToolUse
from treadle.serving.vllm_plugin.engine_types import EngineRequest

LONGEST_TEXT = 256
"""Characters; a longer text in a hint is ignored."""

LARGEST_NUMBER = 1e9
"""A larger number in a hint is ignored, as are negative ones."""

HINT_ACTION = "treadle.program"
"""The `action_type` of a KvHintsEnvelope's action that carries a hint; its payload has the hint's
fields without their prefix. Actions of other types are others' business."""

_log = logging.getLogger("treadle.serving.engine")


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """The hint of one request; "" and None where it says nothing.

    program_id: "" for a request that belongs to no program.
    branch: what runs beside other branches of the program: the step.
    deadline_seconds: how long after its arrival the program should be done.
    """

    program_id: str = ""
    branch: str = ""
    purpose: str = ""
    tool: ToolUse | None = None
    remaining_calls: float | None = None
    remaining_seconds: float | None = None
    last_call: bool = False
    tenant: str = ""
    deadline_seconds: float | None = None

    def call(self, request: EngineRequest, now: float) -> Call:
        """The call as a policy sees it."""
        deadline = self.deadline_seconds
        return Call(
            call_id=request.request_id,
            program_id=self.program_id,
            branch=self.branch,
            prompt_tokens=request.num_prompt_tokens,
            arrived=now,
            remaining_calls=self.remaining_calls,
            remaining_seconds=self.remaining_seconds,
            tenant=self.tenant,
            deadline=None if deadline is None else now + deadline,
        )


NO_METADATA = CallMetadata()


class MetadataReader:
    """Reads hints; what cannot be used is ignored and counted, the first of each kind is logged."""

    def __init__(self) -> None:
        self.malformed = 0
        self._reported: set[str] = set()

    def read(self, request: EngineRequest) -> CallMetadata:
        """The hint of `request`: its extra arguments (`vllm_xargs`), else its `kv_hints`, else
        its `session_id`, which names a program and nothing more."""
        values = self._fields(request)
        session = request.session_id
        if not values and session is None:
            return NO_METADATA
        program_id = self._text(values, "program_id")
        if not program_id and session is not None:
            program_id = self._text({"session_id": session}, "session_id")
        if not program_id:
            return NO_METADATA
        tool = self._text(values, "next_tool")
        pattern = self._text(values, "next_tool_pattern")
        expected = self._number(values, "next_tool_seconds")
        named = tool or pattern or expected is not None
        return CallMetadata(
            program_id=program_id,
            branch=self._text(values, "branch") or self._text(values, "step_id"),
            purpose=self._text(values, "purpose"),
            tool=ToolUse(tool, pattern, expected) if named else None,
            remaining_calls=self._number(values, "remaining_calls"),
            remaining_seconds=self._number(values, "remaining_seconds"),
            last_call=self._flag(values, "last_call"),
            tenant=self._text(values, "tenant"),
            deadline_seconds=self._number(values, "deadline_seconds"),
        )

    def _fields(self, request: EngineRequest) -> dict[str, object]:
        """The hint's fields by their name without the prefix."""
        parameters = request.sampling_params
        extra = parameters.extra_args if parameters is not None else None
        found: dict[str, object] = {}
        if isinstance(extra, Mapping):
            found = {
                name.removeprefix(PREFIX): value
                for name, value in extra.items()
                if isinstance(name, str) and name.startswith(PREFIX)
            }
        if found or request.kv_hints is None:
            return found
        for action in request.kv_hints.actions:
            if action.action_type != HINT_ACTION:
                continue
            if isinstance(action.payload, Mapping):
                return {str(name): value for name, value in action.payload.items()}
            self._ignore("kv_hints", "its payload is no object")
        return found

    def _text(self, values: Mapping[str, object], name: str) -> str:
        value = values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            return self._ignore(name, "it is no text")
        if len(value) > LONGEST_TEXT:
            return self._ignore(name, f"it is longer than {LONGEST_TEXT} characters")
        if not value.isprintable():
            return self._ignore(name, "it has characters in it that cannot be printed")
        return value

    def _number(self, values: Mapping[str, object], name: str) -> float | None:
        value = values.get(name)
        if value is None:
            return None
        # The bounds come first: a huge integer does not fit a float.
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._ignore(name, "it is no number")
            return None
        if not 0 <= value <= LARGEST_NUMBER or math.isnan(value):
            self._ignore(name, f"it is not between 0 and {LARGEST_NUMBER:g}")
            return None
        return float(value)

    def _flag(self, values: Mapping[str, object], name: str) -> bool:
        value = values.get(name)
        if value is None:
            return False
        # True and 1.0 are among these: they equal 1.
        if not isinstance(value, (int, float)) or value not in (0, 1):
            self._ignore(name, "it is neither 0 nor 1")
            return False
        return bool(value)

    def _ignore(self, name: str, why: str) -> str:
        self.malformed += 1
        if name not in self._reported:
            self._reported.add(name)
            _log.warning("hint '%s' ignored: %s (further ones are only counted)", name, why)
        return ""
