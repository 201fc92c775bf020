"""Artifacts: large outputs, kept in files and passed by reference."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from treadle.core.json_value import JsonValue, compact_json

THRESHOLD = 128 * 1024
"""Characters of JSON above which an output becomes an artifact."""

KEEP_DAYS = 30
"""Days that an artifact is kept in a folder that stays."""

_PREVIEW = 500
_SMALL = frozenset({bool, int, float, type(None)})
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored output: where it is, what it weighs, how it begins."""

    digest: str
    path: Path
    bytes: int
    preview: str

    def as_json(self) -> dict[str, JsonValue]:
        """What events and results carry in place of the value."""
        return {
            "artifact": f"sha256:{self.digest}",
            "path": str(self.path),
            "bytes": self.bytes,
            "preview": self.preview,
        }


Kept: TypeAlias = "JsonValue | Artifact"
"""An output as a run holds it."""


class ArtifactStore:
    """Keeps outputs by content in `folder`; a private temporary folder by default.

    A temporary folder goes with `close`; a given one stays, and what has not been stored anew in
    it for KEEP_DAYS is deleted when the store first writes.
    """

    def __init__(self, folder: Path | None = None, threshold: int = THRESHOLD) -> None:
        self._folder = folder
        self._temporary: Path | None = None
        self._pruned = False
        self._threshold = threshold

    @property
    def folder(self) -> Path | None:
        """Where they are; None before anything is kept in a temporary folder."""
        return self._folder if self._folder is not None else self._temporary

    def keep(self, value: JsonValue) -> Kept:
        """`value` itself when it is small, else an Artifact that holds it."""
        if type(value) in _SMALL or not _weighs_more(value, self._threshold):
            return value
        text = compact_json(value)
        data = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(data).hexdigest()
        path = self._place() / f"{digest}.json"
        if path.exists():
            path.touch()  # it is as good as new: see _prune
        else:
            # A name of its own: another process may be storing the same value.
            partial = path.with_suffix(f".{secrets.token_hex(6)}.partial")
            partial.write_bytes(data)
            partial.replace(path)
        shown = value if isinstance(value, str) else text
        return Artifact(digest, path, len(data), shown[:_PREVIEW])

    def load(self, kept: Kept) -> JsonValue:
        """The value that `keep` was given."""
        if not isinstance(kept, Artifact):
            return kept
        value: JsonValue = json.loads(kept.path.read_bytes().decode("utf-8", "surrogatepass"))
        return value

    def restored(self, document: JsonValue) -> Artifact:
        """What `as_json` described. Only the digest counts: it names a file of this store.

        Raises ValueError for what is no such description.
        """
        digest = str(document.get("artifact", ""))[7:] if isinstance(document, dict) else ""
        if not isinstance(document, dict) or not _DIGEST.fullmatch(digest):
            raise ValueError("a stored output without a digest")
        size = document.get("bytes")
        return Artifact(
            digest,
            self._place() / f"{digest}.json",
            size if isinstance(size, int) else 0,
            str(document.get("preview", "")),
        )

    def close(self) -> None:
        """Delete the temporary folder, if one was made."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _place(self) -> Path:
        if self._folder is not None:
            if not self._pruned:
                self._pruned = True
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _prune(self._folder)
            return self._folder
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="treadle-artifacts-"))
        return self._temporary


def _prune(folder: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86_400
    for path in folder.iterdir():
        if path.suffix in (".json", ".partial") and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def as_json(kept: Kept) -> JsonValue:
    """What events and results carry for an output."""
    return kept.as_json() if isinstance(kept, Artifact) else kept


def _weighs_more(value: JsonValue, limit: int) -> bool:
    """Whether the JSON of `value` has more than about `limit` characters; stops counting there."""
    weight = 0
    pending: list[JsonValue] = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            weight += len(each) + 2
        elif isinstance(each, dict):
            weight += sum(map(len, each)) + 8 * len(each) + 2
            pending.extend(each for each in each.values() if type(each) not in _SMALL)
        elif isinstance(each, list):
            weight += 5 * len(each) + 2
            pending.extend(each for each in each if type(each) not in _SMALL)
        if weight > limit:
            return True
    return False
