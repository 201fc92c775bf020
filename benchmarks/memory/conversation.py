"""Conversations with questions whose evidence is known, in the format of LoCoMo's file.

LoCoMo: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents",
arXiv 2402.17753.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path

MULTI_HOP = 1
ADVERSARIAL = 5
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop"}


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said, and in which session."""

    id: str
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the ids of the turns that answer it."""

    text: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns of two people over many sessions, and questions on them."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def read(path: Path) -> list[Conversation]:
    """The conversations of a file in LoCoMo's format, without its adversarial questions."""
    raw = path.read_bytes()
    listed = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return [_conversation(number, each) for number, each in enumerate(listed)]


def _conversation(number: int, raw: dict[str, object]) -> Conversation:
    talk = raw["conversation"]
    assert isinstance(talk, dict)
    sessions = [name for name in talk if re.fullmatch(r"session_\d+", name)]
    sessions.sort(key=lambda name: int(name.rpartition("_")[2]))
    turns = [_turn(turn) for name in sessions for turn in talk[name]]
    known = {each.id for each in turns}
    listed = raw["qa"]
    assert isinstance(listed, list)
    asked = (_question(each, known) for each in listed)
    return Conversation(
        str(raw.get("sample_id", number)),
        tuple(turns),
        tuple(each for each in asked if each.category != ADVERSARIAL and each.evidence),
    )


def _turn(raw: dict[str, str]) -> Turn:
    text = raw["text"]
    if shown := raw.get("blip_caption"):
        text = f"{text} [shares {shown}]"
    return Turn(raw["dia_id"], raw["speaker"], text)


def _question(raw: dict[str, object], known: set[str]) -> Question:
    # Some are written "D8:6; D9:17", "D30:05" or "D:11:26" in the file.
    found = re.findall(r"D:?(\d+):(\d+)", " ".join(map(str, raw.get("evidence") or ())))
    named = {f"D{int(session)}:{int(turn)}" for session, turn in found}
    category = raw["category"]
    assert isinstance(category, int)
    return Question(str(raw["question"]), category, frozenset(named & known))
