"""An artifact: a long output, kept outside of any prompt and read in ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels

MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is known of one version of an artifact, without its content.

    version: from 1. size: in bytes. content_hash: SHA-256 of the hashes of its parts.
    """

    id: str
    name: str
    version: int
    size: int
    media_type: str
    content_hash: str
    recorded_at: datetime
    taint: Labels = CLEAN


@dataclass(frozen=True, slots=True)
class ArtifactRange:
    """Part of an artifact.

    start, end: the bytes that these are, up to but not including `end`.
    first_line: the number of the line that the range begins in, from 1, where it was asked for by
        lines; 0 otherwise.
    """

    artifact: Artifact
    content: bytes
    start: int
    end: int
    first_line: int = 0

    @property
    def more(self) -> bool:
        """Whether something follows."""
        return self.end < self.artifact.size

    @property
    def text(self) -> str:
        """The bytes as text; a character that the range cuts in two is left out."""
        content = self.content
        if self.start > 0:
            while content and 0x80 <= content[0] < 0xC0:
                content = content[1:]
        if self.more:
            for back in range(1, min(4, len(content)) + 1):
                lead = content[-back]
                if lead >= 0xC0:
                    needed = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                    content = content if back >= needed else content[:-back]
                    break
                if lead < 0x80:
                    break
        return content.decode("utf-8", "replace")


def check_name(name: str) -> str:
    """`name`, which is safe: a relative path that stays where it is, wherever it is written to.

    Raises InputError (`bad_artifact_name`).
    """
    labels = name.split("/")
    if (
        not 0 < len(name) <= MOST_NAME
        or not name.isprintable()
        or name != name.strip()
        or any(label in ("", ".", "..") or label.endswith((" ", ".")) for label in labels)
        or any(each in '\\:*?"<>|' for each in name)
    ):
        raise InputError(
            "bad_artifact_name",
            f"{name[:80]!r} is no name for an artifact: write it like report/chapter-1.md, in at "
            f"most {MOST_NAME} characters",
        )
    return name
