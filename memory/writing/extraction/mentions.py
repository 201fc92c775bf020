"""Names in a text: of people, places and works, e-mail addresses, handles."""

from __future__ import annotations

import re

from treadle.memory.writing.extraction.found import Mentioned

# Every repetition is bounded, and no two parts of a pattern can match the same characters in two
# ways: the time is linear in the length of a sentence, whatever is in it.
NAME = (
    r"[A-ZÀ-ÖØ-Þ][\w’'-]{0,30}(?: (?:(?:of|de|van|von|la|del|der) )?[A-ZÀ-ÖØ-Þ][\w’'-]{0,30}){0,3}"
)

_NAME = re.compile(rf"(?<![\w@]){NAME}")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z_]\w{1,30}\b")
_TITLE = re.compile(r"\"([^\"\n]{2,80})\"|“([^”\n]{2,80})”|‘([^’\n]{4,80})’")

NO_NAMES = frozenset(
    [
        "a",
        "about",
        "after",
        "also",
        "although",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "because",
        "before",
        "but",
        "call",
        "can",
        "could",
        "dear",
        "did",
        "do",
        "does",
        "dr",
        "each",
        "even",
        "every",
        "few",
        "first",
        "for",
        "from",
        "good",
        "great",
        "had",
        "has",
        "have",
        "hello",
        "her",
        "here",
        "hers",
        "hey",
        "hi",
        "his",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "just",
        "last",
        "let",
        "look",
        "many",
        "maybe",
        "me",
        "might",
        "more",
        "most",
        "mr",
        "mrs",
        "ms",
        "much",
        "my",
        "never",
        "next",
        "no",
        "none",
        "nor",
        "not",
        "now",
        "of",
        "oh",
        "ok",
        "okay",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "ours",
        "people",
        "perhaps",
        "please",
        "really",
        "same",
        "several",
        "she",
        "he",
        "should",
        "since",
        "so",
        "some",
        "still",
        "such",
        "sure",
        "take",
        "than",
        "thank",
        "thanks",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "though",
        "thus",
        "to",
        "today",
        "tomorrow",
        "tonight",
        "too",
        "two",
        "under",
        "until",
        "up",
        "us",
        "very",
        "was",
        "we",
        "well",
        "were",
        "what",
        "whatever",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "who",
        "whoever",
        "whom",
        "whose",
        "why",
        "will",
        "wish",
        "with",
        "within",
        "without",
        "would",
        "wow",
        "yeah",
        "yep",
        "yes",
        "yesterday",
        "yet",
        "you",
        "your",
        "yours",
        "i'm",
        "i've",
        "i'll",
        "i'd",
        "it's",
        "that's",
        "what's",
        "there's",
        "he's",
        "she's",
        "we're",
        "you're",
        "they're",
        "don't",
        "didn't",
        "can't",
        "let's",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "user",
        "assistant",
        "system",
        "note",
    ]
)

_MOST = 200


def mentions(sentence: str) -> list[Mentioned]:
    """The names in one sentence, in order."""
    found = [Mentioned(match.group(), "email") for match in _EMAIL.finditer(sentence)]
    found += [Mentioned(match.group(), "handle") for match in _HANDLE.finditer(sentence)]
    for match in _TITLE.finditer(sentence):
        title = next(group for group in match.groups() if group)
        if title[0].isupper() and title[-1] not in ".!?,":
            found.append(Mentioned(title, "title"))
    for match in _NAME.finditer(sentence):
        name = trimmed(match.group())
        if name:
            found.append(Mentioned(name, "name"))
    return found[:_MOST]


def trimmed(name: str) -> str:
    """`name` without words around it that only begin a sentence; empty where nothing is left."""
    parts = name.replace("’", "'").split(" ")
    while parts and parts[0].casefold() in NO_NAMES:
        parts = parts[1:]
    while parts and parts[-1].casefold() in NO_NAMES:
        parts = parts[:-1]
    plain = " ".join(parts).strip("'-")
    plain = plain.removesuffix("'s")
    return plain if len(plain) > 1 else ""
