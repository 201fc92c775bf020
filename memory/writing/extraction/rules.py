"""The rules over a whole text, in bounded time."""

from __future__ import annotations

from treadle.memory.kinds import Origin
from treadle.memory.writing.extraction.claims import claims
from treadle.memory.writing.extraction.found import Claim, Findings, Mentioned
from treadle.memory.writing.extraction.mentions import mentions
from treadle.memory.writing.sentences import sentences

_MOST_CHARACTERS = 200_000
"""What is read of a text; a longer one is a document, whose parts say what they are about."""

_MOST_MENTIONS = 200
_MOST_CLAIMS = 100
DEFAULT_SPEAKER = "user"
"""Who a person without a name is."""


def found_in(text: str, *, actor: str, origin: Origin, spoken_at: float) -> Findings:
    """Who is in `text`, and what it says of them.

    actor: who "I" is; in what a document or a tool says without an actor it is nobody.
    spoken_at: what "last year" counts from, epoch seconds.
    """
    speaker = actor or (DEFAULT_SPEAKER if origin is Origin.USER else "")
    named: dict[str, Mentioned] = {}
    said: dict[Claim, None] = {}
    for sentence in sentences(text[:_MOST_CHARACTERS]):
        if len(named) < _MOST_MENTIONS:
            for each in mentions(sentence.text):
                named.setdefault(each.name, each)
        if len(said) < _MOST_CLAIMS:
            said.update(dict.fromkeys(claims(sentence.text, speaker, spoken_at)))
    return Findings(tuple(named.values())[:_MOST_MENTIONS], tuple(said)[:_MOST_CLAIMS])
