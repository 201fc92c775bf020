"""What a language model proposes to take down as facts, and which of it code admits.

A model's words are hostile until shown otherwise: each proposal names an episode that it was
given, a subject that this episode speaks of, and parts of bounded length; all else is refused, with
its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from treadle.core.errors import InputError, ModelError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.memory.episode import Episode
from treadle.memory.kinds import Origin
from treadle.memory.writing.normal_form import name_key, near_words
from treadle.memory.writing.statement import CheckedStatement, Statement

_MOST_PROPOSALS = 200
_MOST_SUBJECT = 120
_MOST_PREDICATE = 60
_MOST_OBJECT = 400
_LITERAL, _INFERRED = 0.8, 0.6
"""How much a proposal is trusted whose object stands in the episode, and one whose does not."""

_NAMES = ("episode", "subject", "predicate", "object", "valid_from", "valid_to", "ended")
_DATE: JsonValue = {"anyOf": [{"type": "string"}, {"type": "null"}]}

SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "episode": {"type": "integer"},
                    "subject": {"type": "string"},
                    "predicate": {"type": "string"},
                    "object": {"type": "string"},
                    "valid_from": _DATE,
                    "valid_to": _DATE,
                    "ended": {"type": "boolean"},
                },
                "required": [*_NAMES],
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """An admitted proposal. position: of its episode in the batch. ended: it no longer holds."""

    position: int
    checked: CheckedStatement
    ended: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused one, with the code and the words of the reason. text: what it was, cut."""

    position: int | None
    code: str
    reason: str
    text: str


def admitted(reply: str, batch: Sequence[Episode]) -> tuple[list[Proposal], list[Refusal]]:
    """What of a model's reply about `batch` may be taken down, and what may not.

    Raises ModelError (`bad_model_output`), not retryable, where the reply is none at all.
    """
    kept: list[Proposal] = []
    refused: list[Refusal] = []
    for number, value in enumerate(_listed(reply)):
        position: int | None = None
        try:
            if number >= _MOST_PROPOSALS:
                raise InputError("bad_proposal", "there are too many proposals in one reply")
            position = _position(value, len(batch))
            kept.append(_proposal(value, position, batch[position]))
        except InputError as error:
            refused.append(Refusal(position, error.code, error.message, _cut(value)))
        if len(refused) > _MOST_PROPOSALS:
            break
    return kept, refused


def _listed(reply: str) -> list[object]:
    try:
        value = json.loads(_without_fence(reply))
    except (ValueError, RecursionError):
        raise _useless("is no JSON") from None
    facts = value.get("facts") if isinstance(value, dict) else None
    if not isinstance(facts, list):
        raise _useless("has no list of facts")
    return facts


def _without_fence(reply: str) -> str:
    plain = reply.strip()
    if plain.startswith("```"):
        plain = plain.partition("\n")[2].rpartition("```")[0]
    return plain


def _position(value: object, size: int) -> int:
    if not isinstance(value, dict):
        raise InputError("bad_proposal", "a proposal is no object")
    position = value.get("episode")
    if isinstance(position, bool) or not isinstance(position, int) or not 1 <= position <= size:
        raise InputError("bad_proposal", "it names an episode that was not given")
    return position - 1


def _proposal(value: object, position: int, episode: Episode) -> Proposal:
    assert isinstance(value, Mapping)
    subject = _text(value, "subject", _MOST_SUBJECT)
    predicate = _text(value, "predicate", _MOST_PREDICATE)
    obj = _text(value, "object", _MOST_OBJECT)
    ended = value.get("ended", False)
    if not isinstance(ended, bool):
        raise InputError("bad_proposal", "`ended` is true or false")
    said = name_key(f"{episode.actor} {episode.text}")
    subject = _subject(subject, episode, said)
    literal = f" {name_key(obj)} " in f" {said} "
    since, until = _date(value, "valid_from"), _date(value, "valid_to")
    begun: datetime | str | None = since
    if ended:
        begun = until or since
    if begun is None and (ended or until is None):
        begun = episode.occurred_at
    statement = Statement(
        subject=subject,
        predicate=predicate,
        object=obj,
        valid_from=begun,
        valid_to=None if ended else until,
        confidence=_LITERAL if literal else _INFERRED,
        origin=Origin.MODEL,
        sources=(episode.id,),
        taint=episode.taint,
    )
    return Proposal(position, CheckedStatement.of(statement), ended)


def _subject(subject: str, episode: Episode, said: str) -> str:
    speaker = episode.actor or ("user" if episode.origin is Origin.USER else "")
    if name_key(subject) in ("i", "me", "myself", "speaker", "user", "narrator") and speaker:
        return speaker
    if name_key(subject) == name_key(speaker):
        return speaker
    if f" {name_key(subject)} " not in f" {said} ":
        # "Bob's dog" is spoken of where "my dog" or "dog" is.
        words = near_words(subject)
        if not all(word.removesuffix("'s") in said.split() for word in words):
            raise InputError("bad_proposal", "its episode does not speak of its subject")
    return subject


def _text(value: Mapping[str, object], name: str, most: int) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise InputError("bad_proposal", f"`{name}` is no text, or empty")
    if len(text) > most:
        raise InputError("bad_proposal", f"`{name}` has over {most} characters")
    if not all(character.isprintable() or character in "\n\t" for character in text):
        raise InputError("bad_proposal", f"`{name}` has characters that cannot be seen")
    return text


def _date(value: Mapping[str, object], name: str) -> str | None:
    text = value.get(name)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise InputError("bad_proposal", f"`{name}` is no date")
    plain = text.strip()
    if len(plain) == 4 and plain.isdecimal():
        return f"{plain}-01-01"
    return f"{plain}-01" if len(plain) == 7 else plain


def _cut(value: object) -> str:
    return json.dumps(value)[:500]


def _useless(what: str) -> ModelError:
    return ModelError("bad_model_output", f"the model's reply about what was remembered {what}")
