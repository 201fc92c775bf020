"""What the rules find in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["holds", "ended", "stopped", "denied", "never", "once", "corrects"]


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A name in a text. kind: `name`, `title`, `email` or `handle`."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence says of somebody.

    how: `holds`; `ended` for what no longer holds; `stopped` for what may be meant to have ended;
        `denied` for what does not hold now; `never` for what never did; `once` for what held some
        time before; `corrects` where only the right object is said, of what was spoken of before.
    instead_of: what is wrong, where a correction says so.
    start: since when, epoch seconds; None where the sentence does not say.
    lasting: whether it is said to hold still, at the time of speaking.
    """

    subject: str
    predicate: str
    object: str
    how: How = "holds"
    start: float | None = None
    lasting: bool = False
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found in one text."""

    mentions: tuple[Mentioned, ...]
    claims: tuple[Claim, ...]
