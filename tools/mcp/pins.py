"""Pins: what a person has approved of each server, and where that is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue
from treadle.tools.mcp.definition import ToolDefinition, set_hash
from treadle.tools.mcp.identity import identity_hash
from treadle.tools.mcp.private_file import changing, write_private

_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerPin:
    """What was approved of one server.

    identity: see `identity_of`. tools: their definitions by name.
    accepted: the keys of the severe findings that were accepted with them.
    """

    identity: dict[str, JsonValue]
    tools: Mapping[str, ToolDefinition]
    accepted: frozenset[str] = frozenset()

    @property
    def identity_hash(self) -> str:
        """Hex sha256 of the identity."""
        return identity_hash(self.identity)

    @property
    def set_hash(self) -> str:
        """Hex sha256 of the whole set of tools."""
        return set_hash({name: each.hash for name, each in self.tools.items()})

    def as_json(self) -> dict[str, JsonValue]:
        """The pin as the file keeps it; hashes are written for whoever reads along."""
        return {
            "identity": self.identity,
            "identity_hash": self.identity_hash,
            "tool_set_hash": self.set_hash,
            "tools": {
                name: {"hash": each.hash, "definition": dict(each.document)}
                for name, each in self.tools.items()
            },
            "accepted": [*sorted(self.accepted)],
        }


class PinStore(Protocol):
    """Where pins are kept."""

    def load(self, server: str) -> ServerPin | None:
        """What was approved of `server`; None where nothing was."""
        ...

    def save(self, server: str, pin: ServerPin) -> None:
        """Keep `pin` in place of what was approved before."""
        ...

    def remove(self, server: str) -> None:
        """Forget what was approved of `server`."""
        ...


@dataclass(slots=True)
class MemoryPins:
    """Pins that are handed in, or that last as long as the process."""

    pins: dict[str, ServerPin] = field(default_factory=dict)

    def load(self, server: str) -> ServerPin | None:
        """See `PinStore`."""
        return self.pins.get(server)

    def save(self, server: str, pin: ServerPin) -> None:
        """See `PinStore`."""
        self.pins[server] = pin

    def remove(self, server: str) -> None:
        """See `PinStore`."""
        self.pins.pop(server, None)


class PinFile:
    """Pins in a JSON file that only its owner may read, replaced in one step.

    Processes that approve at the same time do not undo each other's approvals: each change reads
    what is there and writes it back alone.

    Raises ConfigError (`bad_mcp_pins`) for a file that cannot be read: to take it for an empty one
    would be to forget what was approved, and to ask for it anew as if nothing had changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, server: str) -> ServerPin | None:
        """See `PinStore`."""
        entry = self._read().get(server)
        return None if entry is None else self._pin(server, entry)

    def save(self, server: str, pin: ServerPin) -> None:
        """See `PinStore`."""
        with changing(self.path):
            self._write({**self._read(), server: pin.as_json()})

    def remove(self, server: str) -> None:
        """See `PinStore`."""
        if not self.path.exists():
            return
        with changing(self.path):
            entries = self._read()
            if entries.pop(server, None) is not None:
                self._write(entries)

    def _pin(self, server: str, entry: Any) -> ServerPin:
        try:
            pin = ServerPin(
                dict(entry["identity"]),
                {
                    str(name): ToolDefinition(dict(each["definition"]))
                    for name, each in entry["tools"].items()
                },
                frozenset(map(str, entry["accepted"])),
            )
            written = (entry["identity_hash"], entry["tool_set_hash"])
            if written != (pin.identity_hash, pin.set_hash):
                raise ValueError("a hash does not fit what it is a hash of")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._bad(f"server '{server}': {error}") from None
        return pin

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                document = json.loads(file.read(_MOST_BYTES))
            if document["version"] != 1:
                raise ValueError(f"version {document['version']!r}")
            return dict(document["servers"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._bad(str(error)) from None

    def _write(self, entries: Mapping[str, JsonValue]) -> None:
        text = json.dumps({"version": 1, "servers": dict(entries)}, indent=1)
        write_private(self.path, text.encode())

    def _bad(self, reason: str) -> ConfigError:
        return ConfigError(
            "bad_mcp_pins",
            f"{self.path}: {reason}; move it away and approve your servers again",
        )
