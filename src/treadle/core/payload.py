"""A value that hangs off an event."""

from __future__ import annotations

from treadle.core.errors import RunError
from treadle.core.json_value import JsonValue


class Payload:
    """A value that an event refers to. Erasing it leaves the event in place.

    artifact: whether the value is the description of a file that holds the real one.
    """

    __slots__ = ("_erased", "_value", "artifact")

    def __init__(self, value: JsonValue, *, artifact: bool = False) -> None:
        self._value = value
        self._erased = False
        self.artifact = artifact

    @property
    def erased(self) -> bool:
        """Whether the value is gone."""
        return self._erased

    @property
    def value(self) -> JsonValue:
        """The value. Raises RunError (`payload_erased`) after `erase`."""
        if self._erased:
            raise RunError("payload_erased", "this payload was erased; only its event remains")
        return self._value

    def erase(self) -> None:
        """Forget the value for good."""
        self._value = None
        self._erased = True

    def __repr__(self) -> str:
        return "Payload(erased)" if self._erased else f"Payload({self._value!r})"
