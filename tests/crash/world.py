"""The outside world: files that say what calls of tools did, whatever the journal says."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote


def call_key(name: str, item: object = None) -> str:
    """What a call is known by outside: its step, and its item in a fan-out."""
    return name if item is None else f"{name}[{item}]"


@dataclass(frozen=True, slots=True)
class World:
    """Effects in the folder `folder`, each with the number of the life (process) that made it.

    An effect that nobody guards is a line of `effects`; one that is keyed is a file of its own.
    """

    folder: Path

    def enter(self, key: str, life: int) -> None:
        """A call has begun."""
        self._append("calls", key, life)

    def act(self, key: str, life: int) -> None:
        """An effect: again with every call."""
        self._append("effects", key, life)

    def put(self, idempotency_key: str) -> None:
        """An effect that happens once for each key."""
        puts = self.folder / "puts"
        puts.mkdir(exist_ok=True)
        try:
            (puts / quote(idempotency_key, safe="")).touch(exist_ok=False)
        except FileExistsError:
            return

    def effects(self) -> Counter[str]:
        """How often each effect happened."""
        counts = Counter(key for key, _ in self._lines("effects"))
        counts.update(self._put_keys())
        return counts

    def calls(self) -> list[tuple[str, int]]:
        """Each call that began, with its life."""
        return self._lines("calls")

    def _put_keys(self) -> list[str]:
        """The keyed effects as call keys; `run/step/version/index` names the call."""
        puts = self.folder / "puts"
        if not puts.exists():
            return []
        keys = []
        for file in puts.iterdir():
            _, step, version, *index = unquote(file.name).split("/")
            assert version == "1", file.name
            keys.append(f"put:{call_key(step, index[0] if index else None)}")
        return keys

    def _append(self, name: str, key: str, life: int) -> None:
        file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{key} {life}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)

    def _lines(self, name: str) -> list[tuple[str, int]]:
        path = self.folder / name
        if not path.exists():
            return []
        pairs = (line.split() for line in path.read_text().splitlines())
        return [(key, int(life)) for key, life in pairs]
