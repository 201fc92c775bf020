"""From text to the numbers of word pieces, as BERT's uncased vocabulary has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from treadle.core.errors import ConfigError

MOST_CHARACTERS = 20_000
"""Of a text; what follows is not read. The model itself sees 256 word pieces."""

_LONGEST_WORD = 100
_MOST_REMEMBERED = 50_000
_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"

_ASCII_TOKEN = re.compile(r"[0-9a-z]+|[!-/:-@\[-`{-~]")
_ASCII_CONTROL = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_CJK = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f])"
)


class WordPieces:
    """Splits texts as the model was trained to read them (arXiv 1810.04805, section 3).

    What looks like a special token (`[SEP]`) in a text is text: nobody ends a sequence by writing.

    vocabulary: the number of each piece; continuations begin with `##`.

    Raises ConfigError (`bad_embedder_files`) for a vocabulary without the special tokens.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        missing = [each for each in (_BEGIN, _END, _UNKNOWN) if each not in vocabulary]
        if missing:
            raise ConfigError(
                "bad_embedder_files", f"the vocabulary lacks {missing[0]}: install the model again"
            )
        self._vocabulary = vocabulary
        self._begin, self._end = vocabulary[_BEGIN], vocabulary[_END]
        self._unknown = (vocabulary[_UNKNOWN],)
        self._pieces: dict[str, tuple[int, ...]] = {}

    def numbers(self, text: str, most: int) -> list[int]:
        """The pieces of `text` between begin and end, at most `most` with both of them."""
        found = [self._begin]
        room = most - 1
        for word in _words(text.lstrip()[:MOST_CHARACTERS]):
            found += self._of_word(word)
            if len(found) >= room:
                del found[room:]
                break
        found.append(self._end)
        return found

    def _of_word(self, word: str) -> tuple[int, ...]:
        known = self._pieces.get(word)
        if known is None:
            known = self._split(word)
            if len(self._pieces) >= _MOST_REMEMBERED:
                self._pieces.clear()
            self._pieces[word] = known
        return known

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest pieces from the left; the whole word is unknown where one is."""
        if len(word) > _LONGEST_WORD:
            return self._unknown
        found: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._vocabulary.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return self._unknown
            found.append(number)
            start, prefix = end, "##"
        return tuple(found)


def _words(text: str) -> Iterator[str]:
    """Words in lower case without accents; each punctuation mark and CJK character by itself."""
    if text.isascii():
        text = text.translate(_ASCII_CONTROL)
        yield from _ASCII_TOKEN.findall(text.lower())
        return
    text = "".join(map(_cleaned, text))
    text = _CJK.sub(r" \1 ", text)
    text = "".join(
        each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn"
    )
    for word in text.lower().split():
        if word.isalnum():
            yield word
        else:
            yield from _at_punctuation(word)


def _cleaned(character: str) -> str:
    if character.isspace():
        return " "
    # Characters that are not assigned are kept: newer ones than Python knows may be among them.
    if character == "\ufffd" or unicodedata.category(character) in _UNSEEN:
        return ""
    return character


def _at_punctuation(word: str) -> Iterator[str]:
    start = 0
    for position, character in enumerate(word):
        if _is_punctuation(character):
            if start < position:
                yield word[start:position]
            yield character
            start = position + 1
    if start < len(word):
        yield word[start:]


def _is_punctuation(character: str) -> bool:
    # All that is no letter or digit in ASCII counts, `$` and `^` too.
    if character.isascii():
        return not character.isalnum()
    return unicodedata.category(character).startswith("P")
