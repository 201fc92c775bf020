"""The terms of a text: its words, folded and stemmed, without those that say nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from treadle.memory.text.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from snowballstemmer.english_stemmer import EnglishStemmer

MOST_TERMS = 50_000
"""Of one text; what follows is kept but not found by its words."""

MOST_CHARACTERS = 1_000_000
"""That are looked at, likewise."""

_LONGEST = 40
"""Characters of a term. Longer ones are keys and digests: their start tells them apart."""

_CHUNK = 10_000
# Scripts without spaces between words: Han, kana, Hangul and others go by pairs of characters.
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks belong to the letter before them (as in Devanagari), which \w does not say.
_WORD = re.compile(
    rf"[{_NO_SPACES}]+|(?:[^\W_{_NO_SPACES}][\u0300-\u036f\u0900-\u0dff]*)+(?:'\w+)?"
)
_SUFFIX = re.compile(r"'(?:s|re|ve|ll|d|m|t)$")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})


def terms(text: str) -> list[str]:
    """The terms of `text`, in order, with repetitions.

    NFKC and case folding; accents of Latin letters go; English words are stemmed (Porter 2) and
    stop words left out; scripts without spaces are cut into pairs of characters. Takes bounded
    time: MOST_CHARACTERS are looked at, MOST_TERMS are given.
    """
    found: list[str] = []
    for word in words(text):
        if word in STOP_WORDS:
            continue
        if word[0] > "\u0dff" and _WORDS_WITHOUT_SPACES.match(word):
            found.extend(_pairs(word))
        else:
            found.append(stem(word))
        if len(found) >= MOST_TERMS:
            return found[:MOST_TERMS]
    return found


def words(text: str) -> Iterator[str]:
    """The words of `text`, folded, in order."""
    for start in range(0, min(len(text), MOST_CHARACTERS), _CHUNK):
        # By pieces, so that a few words of a large text cost little; one piece for most texts.
        piece = folded(text[start : min(start + _CHUNK, MOST_CHARACTERS)])
        for match in _WORD.finditer(piece):
            word = match.group()
            if "'" in word:
                word = _SUFFIX.sub("", word).replace("'", "")
            if word:
                yield word[:_LONGEST]


def folded(text: str) -> str:
    """`text` without what differs in case, width, accents or quotes only."""
    if text.isascii():
        return text.casefold()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    if any("\u00c0" <= each <= "\u024f" for each in plain):
        apart = unicodedata.normalize("NFD", plain)
        plain = unicodedata.normalize("NFC", _ACCENT.sub(r"\1", apart))
    return plain


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of an English word, in lower case; others stay as they are."""
    if not word.isascii() or not word.isalpha() or len(word) < 3:
        return word
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> EnglishStemmer:
    # Here, not above: the package loads the rules of thirty languages.
    from snowballstemmer.english_stemmer import EnglishStemmer

    return EnglishStemmer()


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


_WORDS_WITHOUT_SPACES = re.compile(rf"[{_NO_SPACES}]")
_ACCENT = re.compile("([a-z])[\u0300-\u036f]+")
