"""LoCoMo's file: conversations, and questions with the turns that answer them.

Only what was said is read: text, speaker, time, and the captions of images. The observations,
summaries and events that come with the data are derived from it, and stay out.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue

MOST_BYTES = 256 * 1024 * 1024
"""Of the file, unpacked."""

CATEGORIES: Mapping[int, str] = {
    1: "multi_hop",
    2: "temporal",
    3: "open_domain",
    4: "single_hop",
}
"""The categories that are asked; 5 is adversarial: its questions have no answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said. id: `D1:3` is the third turn of the first session."""

    id: str
    speaker: str
    text: str
    caption: str
    session: int
    time: datetime

    @property
    def content(self) -> str:
        """What is remembered: the text, with the caption of the image that came with it."""
        if not self.caption:
            return self.text
        return f"{self.text} [{self.caption}]" if self.text.strip() else f"[{self.caption}]"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the ids of the turns that its answer is in; each once, all of them there."""

    text: str
    category: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in the order in which they were said, and the questions about them.

    skipped: questions without any evidence that is there.
    """

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    skipped: int


def read_locomo(path: str | Path) -> tuple[Conversation, ...]:
    """The conversations of a file as LoCoMo publishes it, plain or packed with gzip.

    Raises InputError (`bad_locomo_file`) for what cannot be read or is no such file.
    """
    raw = _unpacked(Path(path))
    try:
        data: JsonValue = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad(f"{path} is no JSON: {error}") from None
    if not isinstance(data, list) or not data:
        raise _bad(f"{path} is no list of conversations")
    return tuple(_conversation(_object(each, "a conversation")) for each in data)


def evidence_ids(given: JsonValue, known: Mapping[str, int]) -> tuple[str, ...]:
    """The turns that evidence names, in the order in which it does.

    The published data is not clean: one text may hold several ids (`D8:6; D9:17`), an id may be
    written `D:11:26` or `D1:03`, or name no turn. What can be read is; the rest does not count.
    """
    found: dict[str, None] = {}
    for each in given if isinstance(given, list) else []:
        if isinstance(each, str):
            for session, place in _ID.findall(each[:1_000]):
                found[f"D{int(session)}:{int(place)}"] = None
    return tuple(each for each in found if each in known)


_ID = re.compile(r"D\s?:?\s?(\d{1,6})\s?:\s?(\d{1,6})")
_SESSION = re.compile(r"session_(\d{1,6})")


def _unpacked(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    raw = unpacked.read(MOST_BYTES + 1)
            else:
                raw = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _bad(f"{path} cannot be read: {error}") from None
    if len(raw) > MOST_BYTES:
        raise _bad(f"{path} has more than {MOST_BYTES:,} bytes")
    return raw


def _conversation(data: Mapping[str, JsonValue]) -> Conversation:
    name = data.get("sample_id")
    name = name if isinstance(name, str) else ""
    said = _object(data.get("conversation"), f"the conversation of {name!r}")
    numbers = sorted(
        int(match[1]) for key in said if (match := _SESSION.fullmatch(key)) is not None
    )
    turns = tuple(turn for number in numbers for turn in _session(said, number))
    if not turns:
        raise _bad(f"the conversation {name!r} has no turns")
    known = {each.id: at for at, each in enumerate(turns)}
    if len(known) != len(turns):
        raise _bad(f"the conversation {name!r} has two turns with one id")
    questions, skipped = _questions(data.get("qa"), known)
    return Conversation(name, turns, questions, skipped)


def _session(said: Mapping[str, JsonValue], number: int) -> list[Turn]:
    listed = said[f"session_{number}"]
    if not isinstance(listed, list):
        raise _bad(f"session_{number} is no list of turns")
    time = _time(said.get(f"session_{number}_date_time"), number) if listed else None
    turns = list[Turn]()
    for each in listed:
        turn = _object(each, f"a turn of session_{number}")
        assert time is not None
        made = Turn(
            id=_text(turn, "dia_id"),
            speaker=_text(turn, "speaker"),
            text=_text(turn, "text"),
            caption=_text(turn, "blip_caption", default=""),
            session=number,
            time=time,
        )
        if made.content.strip():
            turns.append(made)
    return turns


def _questions(data: JsonValue, known: Mapping[str, int]) -> tuple[tuple[Question, ...], int]:
    if not isinstance(data, list):
        raise _bad("a conversation without its questions (`qa`)")
    found, skipped = list[Question](), 0
    for each in data:
        asked = _object(each, "a question")
        category = asked.get("category")
        if not isinstance(category, int) or category not in CATEGORIES:
            continue
        evidence = evidence_ids(asked.get("evidence"), known)
        if evidence:
            found.append(Question(_text(asked, "question"), CATEGORIES[category], evidence))
        else:
            skipped += 1
    return tuple(found), skipped


def _time(value: JsonValue, session: int) -> datetime:
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise _bad(f"session_{session} has no time like '1:56 pm on 8 May, 2023' but {value!r}")


def _object(value: JsonValue, what: str) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise _bad(f"{what} is no object")
    return value


def _text(data: Mapping[str, JsonValue], key: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise _bad(f"{key!r} is missing or no text")
    return value


def _bad(what: str) -> InputError:
    return InputError(
        "bad_locomo_file",
        f"{what[:300]}; the bench reads LoCoMo's published file (locomo10.json), packed or not",
    )
